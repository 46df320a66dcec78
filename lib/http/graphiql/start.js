// Starts GraphiQL on the page that /graphql gives to browsers; the URL keeps the query.
/* global React, ReactDOM, GraphiQL */
// The page's policy allows the styles that carry its nonce; the dialogs' code looks for it here.
globalThis.__webpack_nonce__ = document.querySelector("script[nonce]").nonce;

const parameters = new URLSearchParams(location.search);

function keep(name) {
  return (value) => {
    if (value) parameters.set(name, value);
    else parameters.delete(name);
    const search = parameters.toString();
    history.replaceState(null, "", search ? `?${search}` : location.pathname);
  };
}

const example = `# Queries over PostgreSQL: rows stream as they come.
# Press Ctrl-Space for what can stand here, Ctrl-Enter to run.
{
  __typename
}
`;

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: location.pathname }),
    defaultQuery: example,
    query: parameters.get("query") ?? undefined,
    variables: parameters.get("variables") ?? undefined,
    operationName: parameters.get("operationName") ?? undefined,
    onEditQuery: keep("query"),
    onEditVariables: keep("variables"),
    onEditOperationName: keep("operationName"),
    defaultEditorToolsVisibility: true,
  }),
);
