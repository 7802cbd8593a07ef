"""Validation of documents by the rules of GraphQL, at a limited cost."""

from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    specified_rules,
    validate,
)
from graphql.validation import (
    ASTValidationRule,
    DeferStreamDirectiveLabel,
    DeferStreamDirectiveOnRootField,
    DeferStreamDirectiveOnValidOperationsRule,
    KnownDirectivesRule,
    KnownTypeNamesRule,
    NoUndefinedVariablesRule,
    NoUnusedVariablesRule,
    StreamDirectiveOnListField,
    UniqueDirectivesPerLocationRule,
    UniqueVariableNamesRule,
    VariablesAreInputTypesRule,
    VariablesInAllowedPositionRule,
)

from connect_hub.api.execution.query_limits import MAX_ERRORS

Rules = list[type[ASTValidationRule]]

_VARIABLE_RULES = {
    NoUndefinedVariablesRule,
    NoUnusedVariablesRule,
    UniqueVariableNamesRule,
    VariablesAreInputTypesRule,
    VariablesInAllowedPositionRule,
}
_DIRECTIVE_RULES = {
    DeferStreamDirectiveLabel,
    DeferStreamDirectiveOnRootField,
    DeferStreamDirectiveOnValidOperationsRule,
    KnownDirectivesRule,
    StreamDirectiveOnListField,
    UniqueDirectivesPerLocationRule,
}


class _KnownTypeNames(KnownTypeNamesRule):
    """Without suggestions: comparing an unknown name with all types takes milliseconds."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.type_names = []


class Validator:
    """Validates documents for one schema."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema = schema
        self._hide_suggestions = not introspection
        self._rules: Rules = [
            _KnownTypeNames if rule is KnownTypeNamesRule else rule for rule in specified_rules
        ]
        if not introspection:
            self._rules.append(NoSchemaIntrospectionCustomRule)

    def validate(self, document: DocumentNode, text: str) -> list[GraphQLError]:
        """Return up to MAX_ERRORS errors; one more says that validation was aborted.

        Rules about variables or directives run only if the text may contain some.
        """
        rules = self._rules
        if "$" not in text:
            rules = [rule for rule in rules if rule not in _VARIABLE_RULES]
        if "@" not in text:
            rules = [rule for rule in rules if rule not in _DIRECTIVE_RULES]
        errors = validate(
            self._schema,
            document,
            rules,
            max_errors=MAX_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        return [_without_cause(error) for error in errors]


def _without_cause(error: GraphQLError) -> GraphQLError:
    """Replace an exception: int() raises one for more than 4,300 digits."""
    if error.original_error is None:
        return error
    return GraphQLError("This number is out of range: use fewer digits.", error.nodes)
