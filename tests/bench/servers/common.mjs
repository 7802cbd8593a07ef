// What the peers of Node have in common: schema, tokens, statements.

import { readFileSync } from 'node:fs'
import { GraphQLScalarType } from 'graphql'
import { createPublicKey } from 'node:crypto'
import { jwtVerify } from 'jose'
import pg from 'pg'

export const typeDefs = readFileSync(new URL('schema.graphql', import.meta.url), 'utf8')

export const resolvers = {
  DateTime: new GraphQLScalarType({ name: 'DateTime', serialize: moment => moment.toISOString() }),
  Query: { me: (_, __, { viewer }) => one('viewer', VIEWER, viewer) },
  Client: {
    invitedClients: async (client, { first }) => {
      const { rows } = await pool.query({ name: 'page', text: PAGE, values: [client.id, first + 1] })
      return { nodes: rows.slice(0, first) }
    }
  }
}

export const port = Number(process.env.PORT)

// Verified once, then remembered; it may have expired since.
export async function viewerOf (authorization) {
  const token = authorization.slice('Bearer '.length)
  let claims = verified.get(token)
  if (!claims) {
    claims = (await jwtVerify(token, publicKey, { issuer: 'connect-hub', audience: 'connect-hub' })).payload
    if (verified.size >= 10_000) verified.clear()
    verified.set(token, claims)
  }
  if (claims.exp * 1000 < Date.now()) throw new Error('The token has expired.')
  return [claims.sid, claims.gen, claims.sub]
}

const VIEWER = `
  SELECT client.id, client.phone, client.invitation_code AS "invitationCode",
         inviter.invitation_code AS "someoneInvitationCode"
  FROM session JOIN client ON client.id = session.client_id
  LEFT JOIN client AS inviter ON inviter.id = client.inviter_id
  WHERE session.id = $1 AND session.expires_at > now() AND client.deleted_at IS NULL
  AND generation >= $2 AND session.client_id = $3`
const PAGE = `
  SELECT id, phone, invited_at AS "invitedAt" FROM client WHERE inviter_id = $1 AND deleted_at IS NULL
  ORDER BY invited_at DESC, id DESC LIMIT $2`

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
const publicKey = createPublicKey({
  key: Buffer.from(process.env.TOKEN_PUBLIC_KEY, 'base64'), format: 'der', type: 'spki'
})
const verified = new Map()

async function one (name, text, values) {
  const { rows } = await pool.query({ name, text, values })
  return rows[0] ?? null
}
