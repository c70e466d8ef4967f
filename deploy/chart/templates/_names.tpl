{{- define "sitio.labels" -}}
{{ include "sitio.selector" . }}
app.kubernetes.io/part-of: sitio
{{- end }}

{{- define "sitio.selector" -}}
app.kubernetes.io/name: sitio
app.kubernetes.io/component: control-plane
{{- end }}

{{- define "sitio.monitoringLabels" -}}
app.kubernetes.io/name: sitio
app.kubernetes.io/component: monitoring
app.kubernetes.io/part-of: sitio
{{- end }}

{{- define "sitio.webhookLabels" -}}
app.kubernetes.io/name: sitio
app.kubernetes.io/component: webhook
app.kubernetes.io/part-of: sitio
{{- end }}

{{- /* The address that people type. */}}
{{- define "sitio.publicUrl" -}}
{{- if .Values.publicUrl }}{{ .Values.publicUrl }}
{{- else if .Values.ingress.enabled }}https://{{ .Values.ingress.host }}
{{- else if and .Values.route.enabled .Values.route.host }}https://{{ .Values.route.host }}
{{- else if .Values.signIn.openid.issuer }}{{ fail "publicUrl is missing: the provider of signIn.openid sends browsers back to that address. Set it, or ingress, or route.host" }}
{{- end }}
{{- end }}

{{- /* The networks of the proxies in front of the dashboard. */}}
{{- define "sitio.trustedProxies" -}}
{{- $networks := list }}
{{- if .Values.ingress.enabled }}{{ $networks = append $networks .Values.ingress.trustedProxies }}{{ end }}
{{- if .Values.route.enabled }}{{ $networks = append $networks .Values.route.trustedProxies }}{{ end }}
{{- $networks | compact | join "," }}
{{- end }}

{{- /* The Secret with the token of Prometheus. With other ways to sign in, the shared token opens no metrics. */}}
{{- define "sitio.monitoringSecret" -}}
{{- if .Values.monitoring.tokenSecret }}
{{- .Values.monitoring.tokenSecret }}
{{- else if or .Values.signIn.usersSecret .Values.signIn.openid.issuer }}
{{- fail "monitoring.tokenSecret is missing: with signIn, the shared token opens no metrics. Add a token to the users file of signIn.usersSecret, and name here a Secret that has it under the key token" }}
{{- else }}
{{- include "sitio.tokenSecret" . }}
{{- end }}
{{- end }}

{{- define "sitio.tokenSecret" -}}
{{ .Values.token.existingSecret | default "sitio-token" }}
{{- end }}
