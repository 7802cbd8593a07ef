import { ApolloProvider } from "@apollo/client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";
import { apollo } from "./api/client";
import "./style.css";

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <ApolloProvider client={apollo}>
        <App />
      </ApolloProvider>
    </StrictMode>,
  );
}
