"""The floor: what any server in Python has to do, and nothing else. No GraphQL.

The same HTTP, JSON, tokens and statements as Connect Hub's; each response is written by hand.
"""
