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

{{- define "sitio.tokenSecret" -}}
{{ .Values.token.existingSecret | default "sitio-token" }}
{{- end }}
