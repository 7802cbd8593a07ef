import Fastify from 'fastify'
import mercurius from 'mercurius'
import { port, resolvers, typeDefs, viewerOf } from './common.mjs'

const app = Fastify({ logger: false })
app.register(mercurius, {
  schema: typeDefs,
  resolvers,
  jit: 1,
  context: async request => ({ viewer: await viewerOf(request.headers.authorization) })
})
await app.listen({ port, host: '127.0.0.1' })
