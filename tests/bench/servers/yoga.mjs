import { createServer } from 'node:http'
import { createSchema, createYoga } from 'graphql-yoga'
import { port, resolvers, typeDefs, viewerOf } from './common.mjs'

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  context: async ({ request }) => ({ viewer: await viewerOf(request.headers.get('authorization')) }),
  graphiql: false,
  logging: false
})
createServer(yoga).listen(port, '127.0.0.1')
