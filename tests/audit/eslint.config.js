import graphql from "@graphql-eslint/eslint-plugin";

const values = [
  "AccessTokenIssued",
  "PageInfo",
  "CodeSent",
  "Config",
  "InvitationCodeRenewed",
  "LiveCode",
  "SignedIn",
  "InviteApplied",
  "OtherSessionsEnded",
  "PhoneChanged",
  "ProfileUpdated",
  "AccountDeleted",
];

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: `${import.meta.dirname}/../../schema.graphql` } },
    },
    linterOptions: { noInlineConfig: true },
    plugins: { "@graphql-eslint": graphql },
    rules: {
      ...graphql.configs["flat/schema-all"].rules,
      ...graphql.configs["flat/schema-relay"].rules,

      // Fields and arguments stand in the order in which people read them, `id` first.
      "@graphql-eslint/alphabetize": "off",
      // An operation takes one or two scalars: `input: {…}` would only be typed around them.
      "@graphql-eslint/input-name": "off",
      // It wants an argument `deletionDate`, which the specification's @deprecated does not have.
      "@graphql-eslint/require-deprecation-date": "off",
      // It forbids mutations, and mutations are what this server is for.
      "@graphql-eslint/no-root-type": "off",
      // Values have no identity: refusals, pages, and what a mutation hands over.
      "@graphql-eslint/strict-id-in-types": [
        "error",
        { exceptions: { suffixes: ["Error", "Connection", "Edge"], types: values } },
      ],
      // Lists are read forward only: the Relay specification asks for one direction.
      "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
      "@graphql-eslint/relay-edge-types": [
        "error",
        {
          withEdgeSuffix: true,
          // Nobody may look up a client by id, so there is no `node(id:)` and no `Node`.
          shouldImplementNode: false,
          // A connection has `nodes` beside `edges`, for who needs no cursors.
          listTypeCanWrapOnlyEdgeType: false,
        },
      ],
    },
  },
];
