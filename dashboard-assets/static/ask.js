// Asks the control plane. Whatever goes wrong becomes one sentence that a person can act on.
const DEADLINE_MS = 5000;

export const ask = address => request(address, { method: 'GET' });
export const post = (address, body) =>
  request(address, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}) });
export const take = address => request(address, { method: 'DELETE' });

async function request(address, options) {
  let answer;
  try {
    answer = await fetch(address, { ...options, cache: 'no-store', signal: AbortSignal.timeout(DEADLINE_MS) });
  } catch {
    throw new Error(options.method === 'GET'
      ? 'The control plane does not answer.'
      : 'The control plane does not answer, so it is not known whether the command arrived. The switch shows what the pods say.');
  }
  const isJson = /json/.test(answer.headers.get('content-type') ?? '');
  const body = isJson ? await answer.json().catch(() => null) : null;
  if (answer.ok) return body;
  const why = body?.detail ?? body?.title ?? `it answered ${answer.status}`;
  throw new Error(`The control plane refused: ${why.replace(/\.$/, '')}. Nothing was sent to the pods.`);
}
