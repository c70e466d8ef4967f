// Prints tokens as attackers make them, by name, and some that the provider's own key has signed with wrong claims.
// Arguments: file with the provider's private key, issuer.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT } from 'jose';

const [keyFile, issuer] = process.argv.slice(2);
const jwk = JSON.parse(readFileSync(keyFile, 'utf8'));
const own = await importJWK(jwk, 'RS256');
const attacker = await generateKeyPair('RS256', { extractable: true });
const now = Math.floor(Date.now() / 1000);
const { d, p, q, dp, dq, qi, ...publicJwk } = jwk;
const publicPem = await exportSPKI(await importJWK(publicJwk, 'RS256', { extractable: true }));
const claims = {
  iss: issuer, aud: 'orders', sub: 'mallory', iat: now, exp: now + 300, scope: 'orders:read',
  realm_access: { roles: ['orders-read'] },
};
const header = { alg: 'RS256', kid: jwk.kid };
const signed = (changes, more = {}, key = own) => new SignJWT({ ...claims, ...changes }).setProtectedHeader({ ...header, ...more }).sign(key);
const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
const hmac = (secret) => {
  const input = `${part({ ...header, alg: 'HS256' })}.${part(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
};
const genuine = await signed({});
const [head, , signature] = genuine.split('.');
const attackerJwk = await exportJWK(attacker.publicKey);

console.log(JSON.stringify({
  genuine,
  refused: {
    'alg none': `${part({ ...header, alg: 'none' })}.${part(claims)}.`,
    'alg None with a signature': `${part({ ...header, alg: 'None' })}.${part(claims)}.${signature}`,
    'HS256 with the public key in PEM': hmac(publicPem),
    'HS256 with the public key in PEM and no line end': hmac(publicPem.trim()),
    'HS256 with the public key as JWK': hmac(JSON.stringify(publicJwk)),
    'HS256 with the modulus': hmac(Buffer.from(jwk.n, 'base64url')),
    'another key under the same kid': await signed({}, {}, attacker.privateKey),
    'a key in the header': await signed({}, { jwk: attackerJwk }, attacker.privateKey),
    'a key set in the header': await signed({}, { jku: `${issuer}/evil` }, attacker.privateKey),
    'an unknown kid': await signed({}, { kid: 'unknown' }),
    'a path as kid': await signed({}, { kid: '../../../dev/null' }),
    'another algorithm of the same key': await signed({}, { alg: 'RS512' }, await importJWK({ ...jwk, alg: 'RS512' }, 'RS512')),
    'changed claims': `${head}.${part({ ...claims, sub: 'admin' })}.${signature}`,
    'no signature': `${genuine.split('.').slice(0, 2).join('.')}.`,
    expired: await signed({ exp: now - 60 }),
    'not valid yet': await signed({ nbf: now + 120 }),
    'without an end': await signed({ exp: undefined }),
    'another audience': await signed({ aud: 'payments' }),
    'another issuer': await signed({ iss: 'https://evil.example' }),
    'an id token': await signed({ typ: 'ID' }),
    'two parts': genuine.split('.').slice(0, 2).join('.'),
    'four parts': `${genuine}.x`,
    'three dots': '...',
    'two dots': '..',
    'a long token': `${genuine.split('.')[0]}.${'a'.repeat(20000)}.x`,
  },
  'a claim that breaks lines': await signed({ sub: 'x\r\nX-Admin: 1' }),
}));
