import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "../schema.graphql",
  documents: "src/operations.graphql",
  importExtension: "",
  silent: true,
  generates: {
    "src/generated/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        strictScalars: true,
        scalars: { PhoneNumber: "string", DateTime: "string" },
        useTypeImports: true,
      },
    },
    // Without it Apollo's cache drops what is selected on an interface, such as `... on UserError`.
    "src/generated/possible-types.ts": {
      plugins: ["fragment-matcher"],
      config: { useExplicitTyping: true },
    },
  },
};

export default config;
