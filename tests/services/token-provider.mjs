// A real OpenID provider (the certified oidc-provider) that issues signed access tokens to programs, for the tests.
// Arguments: port, file with its private key. The file is made if it is absent.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const [port, keyFile] = process.argv.slice(2);
if (!existsSync(keyFile)) {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const kid = `key-${process.pid}`;
  writeFileSync(keyFile, JSON.stringify({ ...(await exportJWK(privateKey)), kid, use: 'sig', alg: 'RS256' }));
}
const client = (client_id) => ({
  client_id, client_secret: 'a-secret-of-the-client', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
});
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client('reader'), client('stranger')],
  jwks: { keys: [JSON.parse(readFileSync(keyFile, 'utf8'))] },
  scopes: ['orders:read'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:orders',
      getResourceServerInfo: () => ({
        scope: 'orders:read', audience: 'orders', accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  extraTokenClaims: (_, token) => ({
    realm_access: { roles: token.clientId === 'reader' ? ['orders-read', 'staff, all'] : [] },
    resource_access: { shop: { roles: ['buy'] } },
  }),
});
provider.on('server_error', (_, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
