"""Validation of documents by the rules of GraphQL, at a cost that is bounded."""

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

_OF_VARIABLES = {
    NoUndefinedVariablesRule,
    NoUnusedVariablesRule,
    UniqueVariableNamesRule,
    VariablesAreInputTypesRule,
    VariablesInAllowedPositionRule,
}
_OF_DIRECTIVES = {
    DeferStreamDirectiveLabel,
    DeferStreamDirectiveOnRootField,
    DeferStreamDirectiveOnValidOperationsRule,
    KnownDirectivesRule,
    StreamDirectiveOnListField,
    UniqueDirectivesPerLocationRule,
}


class _KnownTypeNames(KnownTypeNamesRule):
    """Suggests no other name: comparing one with those of all types takes milliseconds."""

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

    def errors(self, document: DocumentNode, text: str) -> list[GraphQLError]:
        """Tell up to MAX_ERRORS errors of a document, and that there are more."""
        rules = self._rules
        if "$" not in text:
            rules = [rule for rule in rules if rule not in _OF_VARIABLES]
        if "@" not in text:
            rules = [rule for rule in rules if rule not in _OF_DIRECTIVES]
        found = validate(
            self._schema,
            document,
            rules,
            max_errors=MAX_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        return [_of_the_client(error) for error in found]


def _of_the_client(error: GraphQLError) -> GraphQLError:
    """Hide an exception that a value caused: int() raises one for more than 4,300 digits."""
    if error.original_error is None:
        return error
    return GraphQLError("This value is out of range.", error.nodes)
