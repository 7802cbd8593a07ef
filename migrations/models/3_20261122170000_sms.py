"""Which gateway took a code."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE "sign_in_code" ADD "gateway" TEXT;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE "sign_in_code" DROP COLUMN "gateway";
    """


MODELS_STATE = (
    "eJztW+tv2zYQ/1cIfVkLZEHivLxuGKA4aes1sYdYXV8oBFqibS4y5ZJUHKPL/z6Sej/9qN"
    "oorr8YNo9HUb/j8X53pL9qU9dGDtvXHcedQ2Ih7QX4qhE4lV/ywj2gwdksFskGDoeO6g1T"
    "3YaMU2hxIRhBhyHRZCNmUTzj2CWy+7sJIsAlCDBv+C+yOPAYssF8AjnADDh4ijmy94TUmg"
    "DIAASzieyNOQNjDzGG2L58kO1a4kmYjGsc0yP4i4dM7o4RnyAqRv70WTRjYqN7xOTPTxq6"
    "n2GKmAm59lkKZ7fmCCPHTgF4ixZyPCUw+WKmGs8xgXTxUnWWLzA0LdfxpiShMFtwMbFIY7"
    "jgSGE9RgRRKN4hASvxHCcwQdjkz180cOqhaOJ23GCjEfQcaRyp7U8ibtNMs9c3zMGlYZpa"
    "znChRgL3oMlyiTQ6Jlxi9PXBHzd+edWqKQiu+udy5CljXxzZ8I9+c97t6Tcfnl3r758r0S"
    "IQXfV7r8L+M5fxMVUDaecfjEtde1BPgRz6z1HGifEX5md5A+iUwhL8Q4WMARzM+Cb4hw2x"
    "AWJneFwLGN3ry4GhX/9tfPz0WaEYo0bRSPqN6RGOnTx8FwIAjqeoGMGccgZKO9DeD7+sgG"
    "uwap8SrKnVfaEbl1LSSi3ssPXZqVrwrtgu/Y00GgS86xqvgfwJPvZ7l1kPSNhQk3OCHndN"
    "4s5NaCcxCZvDppStE9vYmoZOa9Zg5afoPU02s4xKo9vEvigbhtC6nUNqmzmJ23LL+uZF09"
    "Y02wIJHCsjSTTlPAP20HEwIryIVwSSSlJhxX2WMgodzBBlLhEB3wUUjcWmjaiM/5hPolhP"
    "vOkQ0Tx1WFd5FY6AyZ0gHNTEynv8X3bgMKKtnDf4CmlvfPu2e1HsiX7vjAd6Hrb3pc734Q"
    "3aHyOPWBJ5oJ4kP47/1H68K3Ze6zfPjnzfSnqNevVqdqBsmge6M4G0GOhIIYO1mOoGUexR"
    "yZnw13vTQWTMJ+Ln4WkFwoKbKZAPsxtYL5C0lCjNIdRih3JWAj97LZQLVDfCu1lsOA34Kn"
    "iXw12MdrS1rBPF05o7rta0IJ60skUR3MzKac0t5Goi7YB2nziLYAU+EbMHzlJpdUGJ0GZW"
    "T2vufLvJvp2miiszv5TWNzDAp2PZJXwvl/TkIM7j+9KlCI/JG+QXhbpiKmEZMwNpLnF5kr"
    "DGrfEUKZxHeUhmWYn393cSKboRK/2m2zG0h/JsMsdLCmqggeLLNzfIUVzv50H7Ya1sO0/y"
    "LNcjBbEghLRPkOGKj+XAdv0BO+F4WwTvGvWJFAoFVYosSuW1ipyBlpcsXrtzIGa2AH6dgw"
    "Exuvhmy0OMXxiQ+c/vYE4x5+pgw1mA4QLwCRJvisdjRAM9EVZMCVa+rPE9HrC89FFa2AhG"
    "Wy/KpZR+bJmjkTFur6KmUbY54HGX8BJ4Q5UMtHilXaFxmcBYTuLX31qto6Oz1sHRafvk+O"
    "zspH3QFn3VjPOis6qjqu6rbs9IE0PZUEA11qmvZl0ib7JwH6+bkzTSC5ZSktQekGIkHX3Q"
    "0S8uM4Tkm0rWPVXmPXdc67YoIiTFlQHBLxebw6jnGvFAjMbAXLwz4C6AQI0B3FFQgmaqLo"
    "0JgARMXI/uiS+26E6R0CQjTKfIrgoGNY2+ShGcYbluy2vdM4pG+H6tMmyksXV1wfYKdcF2"
    "aV2w/XxJdPBtkYO6uowQKW1h3WibSgisMIyUhv2w+zZF/dbh8dlx++j0OAr2UUtVjPfjea"
    "rUGm5zawCa0tmhWoAqdKDEZ4NSZlpzV8ps8j6kbFVw7arUcWKFndfUkVvUR4QHeEy6pCNP"
    "YQt4cEJaSYOZ6Gfi+DR3OQ02JkhxVOBAxgGLeKo6gH8RXOhUdzotdzrzxNIAI+pO9wBBd4"
    "iq+oVSx5whZ5Qnwt9h/NrujP7gWwlNZsN1XUsoJ8S3aFFYjCpHO9aoB+7H3qzqTz9idIlb"
    "mG5UXYCOVOq6At3cwF7vJegY9cCaOdgHU+g4pUE41tqmIHzUOjuN4q/8URV6B9f61VWete"
    "6uyP4UtFUMhcgmuUlKcWfkRhtZWqogNaneGiOl3c6Y3hmD/0yti2dCbYdoBlHx1nNY8Kcx"
    "A92XoRmr1HItucG7zeV7I7XRhNSzmC+F3RNUtSMpVGOyax1RbE20on9c+pK9yr9bxn2W5d"
    "Pl4H/DUX5R2lTq8oUZU4G3B4uxuflpLRXR8nz0DlEW3NlZNSFNqGxhRto6OVkhJxW9SrNS"
    "JcvUoYVTrYFw0H0L0T08OFilwnJwUF5ikbLc2QkvPIr6a9DvlR6d8OLjKBtbHPwHtu8PuB"
    "KM6mCWjVsZOiwHePRg9vA/FYOrew=="
)
