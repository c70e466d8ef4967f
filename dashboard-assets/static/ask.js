// Sends requests to the control plane. Every error becomes one sentence that a person can act on.
import { base } from './dom.js';

const DEADLINE_MS = 5000;

export const rulesAddress = `${base}api/v1/rules`;

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
    throw Error(`The control plane does not respond${method === 'GET' ? ''
      : '; the command may have been applied or not'}.`);
  }
  const json = await answer.json().catch(() => null);
  if (answer.ok) return json;
  // A refusal has a kind; a missing response has none.
  throw Object.assign(Error(`The control plane refused: ${json?.detail ?? answer.status}.`), { kind: json?.type ?? 'none' });
}
