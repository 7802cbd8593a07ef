"""Execution of whole operations by one compiled function.

graphql-core resolves each field of each object by itself: it looks up the field, builds a path
and an info, calls a resolver, checks whether the value is awaitable, and completes it by its type.
For a list of 100 clients with 3 fields, it does so 300 times to read 300 attributes.

Here each operation is compiled once per document into a *plan*: nested closures that call
resolvers, read attributes and check values. A plan supports these fields:

- fields without a resolver, which Strawberry reads from an attribute;
- fields with a method that only reads its object, in lists too;
- fields with a resolver of ours outside of lists, where the path is known in advance. They are
  called as Strawberry calls them, with its exception handlers.

An operation with anything else (an interface, introspection, …) has no plan. graphql-core executes
it, with the help of `introspection`.

Why the results are right:

- A plan handles only values of exactly the expected type. At any other value (an error, a null in a
  non-null field, another type, a missing attribute, a serialisation error) it bails out. Then
  graphql-core executes the operation, reports errors and propagates nulls by the specification.
- No resolver runs twice. The result of each is recorded by its path, and graphql-core gets it
  instead of calling the resolver.
- graphql-core's own functions coerce variables and arguments and collect selections. So defaults,
  fragments, type conditions and merging work as usual. If directives use variables, there is one
  plan for each combination of their values.
- Limits, validation and the format of errors are separate from execution, and apply to both ways.

`compiler` builds plans of the parts in `plans` and `resolvers`. `executor` chooses the plan of a
request, and `plan_execution` executes it.
`tests/api/execution/test_executor.py` compares the results with graphql-core's on generated
operations.
"""

from connect_hub.api.execution.executor import build_executor
from connect_hub.api.execution.plan_execution import execute

__all__ = ["build_executor", "execute"]
