// Asks the control plane. Whatever goes wrong becomes one sentence that a person can act on.
const DEADLINE_MS = 5000;

export const rulesAddress = '/api/v1/rules';

export async function ask(address, method = 'GET', command) {
  let answer;
  try {
    answer = await fetch(address, {
      method,
      headers: { 'content-type': 'application/json' },
      body: command && JSON.stringify(command),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
  } catch {
    throw Error(method === 'GET' ? 'The control plane does not answer.'
      : 'The control plane does not answer, so it is not known whether the command arrived. The switch shows what the pods say.');
  }
  const json = await answer.json().catch(() => null);
  if (answer.ok) return json;
  throw Error(`The control plane refused: ${json?.detail ?? answer.status}. Nothing was sent to the pods.`);
}
