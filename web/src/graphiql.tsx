/** GraphiQL, loaded entirely from our own origin. */
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import { createRoot } from "react-dom/client";

import "./graphiql.css";

const { origin } = location;
const fetcher = createGraphiQLFetcher({
  url: `${origin}/graphql`,
  // GraphiQL sends the headers of the tab "Headers" in connection_init.
  subscriptionUrl: `${origin.replace(/^http/, "ws")}/graphql`,
});

const INTRODUCTION = `# Ask for a code first; "Docs" on the left has all operations.
mutation {
  requestCode(phone: "+79991234567") {
    ... on CodeSent { phone smsCode codeLength resendAt }
    ... on UserError { message }
  }
}
`;

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <GraphiQL
      fetcher={fetcher}
      defaultEditorToolsVisibility="headers"
      defaultHeaders={'{"Authorization": "Bearer "}'}
      defaultQuery={INTRODUCTION}
    />,
  );
}
