// What openid-client does with a server: one JSON object on standard output.
// Arguments: the issuer, the client's id, its secret, a refresh token of that client.
import * as client from 'openid-client'

const [issuer, id, secret, refreshToken] = process.argv.slice(2)
const insecure = { execute: [client.allowInsecureRequests] }
const config = await client.discovery(new URL(issuer), id, secret, client.ClientSecretPost(secret), insecure)
const oauth = await client.discovery(new URL(issuer), id, secret, client.ClientSecretBasic(secret), {
  ...insecure,
  algorithm: 'oauth2',
})

const machine = await client.clientCredentialsGrant(config)
const active = await client.tokenIntrospection(config, machine.access_token)
await client.tokenRevocation(oauth, machine.access_token)
const revoked = await client.tokenIntrospection(oauth, machine.access_token)

const refreshed = await client.refreshTokenGrant(oauth, refreshToken)
const user = await client.tokenIntrospection(config, refreshed.access_token)
await client.tokenRevocation(config, refreshed.refresh_token)
const ended = await client.tokenIntrospection(config, refreshed.access_token)

console.log(
  JSON.stringify({
    tokenEndpoint: config.serverMetadata().token_endpoint,
    sameMetadata: oauth.serverMetadata().issuer === config.serverMetadata().issuer,
    machine: { type: machine.token_type, active: active.active, clientId: active.client_id, revoked: revoked.active },
    user: { rotated: refreshed.refresh_token !== refreshToken, active: user.active, name: user.username, ended: ended.active },
  }),
)
