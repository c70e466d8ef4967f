// A real OpenID provider (the certified oidc-provider) with its own sign-in and consent pages, for the tests.
// Arguments: port, redirect URI, URI after the sign-out. The name that is typed decides the roles.
import Provider from 'oidc-provider';

const [port, redirectUri, signedOutUri] = process.argv.slice(2);
const ROLES = { olga: ['sitio-admins'], vera: ['staff'], nora: ['cooks'] };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'sitio',
    client_secret: 'a-secret-of-the-client',
    redirect_uris: [redirectUri],
    post_logout_redirect_uris: [signedOutUri],
  }],
  claims: { openid: ['sub'], profile: ['preferred_username', 'realm_access'] },
  cookies: { keys: ['only for tests'] },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, preferred_username: sub, realm_access: { roles: ROLES[sub] ?? [] } }),
  }),
  pkce: { required: () => true },
  ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 60, IdToken: 60, Interaction: 60, Session: 60 },
});
provider.on('server_error', (_, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
