"""Execution of whole operations by one compiled function.

graphql-core resolves each field of each object by itself: it looks up the field, builds a path
and an info, calls a resolver, asks whether the value can be awaited, and completes it by its type.
For a list of 100 clients with 3 fields that happens 300 times, to read 300 attributes.

Here an operation becomes a *plan*, once a document: nested closures that call resolvers, read
attributes and check values. A plan knows these fields:

- *plain* ones, which Strawberry reads from an attribute;
- those with a resolver of ours, called as Strawberry calls it, with its exception handlers, where
  the field's place in the answer is known beforehand, which it is not below a list.

An operation that has anything else in it (an interface, introspection, …) has no plan: graphql-core
executes it, and `introspection` what it asks of the schema.

What keeps it right:

- A plan answers only what it is sure of: a value of exactly the type expected. Whatever else comes
  (an error, a null where none may be, another type, an attribute that is missing or cannot be
  serialised) is a surprise. The operation is then executed by graphql-core as if there were no
  plan, which reports errors and propagates nulls as the specification has it.
- No resolver runs twice: what each returned or raised is noted by its path, and given to
  graphql-core in its stead; or the answer that was made of it already.
- Variables and arguments are coerced and selections collected by graphql-core's own functions, so
  that defaults, fragments, type conditions and merging are its business. Where directives ask for
  variables, there is a plan for each of their values.
- Limits, validation and the format of errors lie outside of execution: there is no second set.

`executor` follows plans, `compiler` makes them of what is in `plans` and `resolvers`.
`tests/api/execution/test_executor.py` compares answers with those of graphql-core on generated
operations.
"""

from connect_hub.api.execution.executor import build, executed

__all__ = ["build", "executed"]
