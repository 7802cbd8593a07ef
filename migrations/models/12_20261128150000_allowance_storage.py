"""The times of uses are stored as they are: compressing many takes 15 times as long as storing."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE "allowance" ALTER "uses" SET STORAGE EXTERNAL;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE "allowance" ALTER "uses" SET STORAGE EXTENDED;
    """


MODELS_STATE = (
    "eJztXFtv2zYU/iuEXtYCXpDYua0dBjhOunpNnCFR1xsKgZZom4tMuSQVx+jy30fqYt0o2XKVRHH1"
    "klgkD0V9h+Q5/M6RvmtTx0I22+natjOHxETaK/BdI3Aqf2QrW0CDs1lUJQs4HNpea5hoNmScQpOL"
    "ihG0GRJFFmImxTOOHSKbf5ggAhyCAHOH/yKTA5chC8wnkAPMgI2nmCOrJWrNCYAMQDCbyNaYMzB2"
    "EWOI7cgbWY4p7oTJuMI+XYK/ucjgzhjxCaKi5y9fRTEmFrpDTF5+0dDdDFPEDMi1r7JydmOMMLKt"
    "BIA3aCH78yoMvph5hSeYQLp44zWWDzA0TMd2pyQmMFtwMbClxHDBkYf1GBFEoXiGGKzEte1ABWGR"
    "P35RwKmLlgO3ogILjaBrS+VIaX8QUZlmGINL3bg+0w1DyygulIjhHhSZDpFKx4RLjL7f+/1GD++V"
    "ah4E55cnsucpY99sWfBP9+qkP+hefXpx0f340qtaBFXnl4M/w/Yzh/Ex9TrSTj7pZ13t3rsL5NC/"
    "j6ecCH+hfpZVQJdSmIN/KJBSgI0Z3wT/sCBSQLQYnlYDev/i7FrvXvytf/7y1UMxQo2ikVw3hks4"
    "trPwnQoAOJ4iNYIZ4RSUViC9E/5YA9dg1j4nWBOz+7Srn8madmJih6UvDr0J74jt0t9Il52AD339"
    "LZCX4PPl4Cy9AmI61OSYoMsdgzhzA1pxTMLisCih69g2VlLRSckKtPwcV0+d1Syt0ugmti/KgiE0"
    "b+aQWkamxmk7eW2zVdP2NF0CCRx7SpJoynEG3kPPxohwlV8R1BQ6FWbUZqVH0QUzRJlDhMF3AEVj"
    "sWkjKu0/5pOlrSfudIho1nUoK7zaR8j1CrCVXWvv3/dP1evMb51aX66LrR0p8zBegfb7yCWmxBV4"
    "d5J/9v/QHn+h9d52r150/JUTXxPeoxfbfk9jWaB7E0jVQC8FUliLoW5go57U9RKr8c6wERnzibjc"
    "OyxAWHheHsh76e1pENS0vaqkh4DJLeZQjkrgZ5VCWSG6Ed718nWTgK+Ddz7carSFS1XeRiclG0+s"
    "biY6rmWTIriZlpOSW+iJiUMFtC6JvQhm4DNRe7BYCrUuHB60mdaTks3arvPaHtqOebORlpOSjZbr"
    "rGXf2lKjpH+fkPoBP//5aHaFV585uGYgzuL7xqEIj8k75BN7fTGUkIpOQZo5fD5LWKPSaIgUzpen"
    "zdS0Es/v2wtZdSVm+lW/p2v3+YxAxvtU8NiB4Jt3V8j2PPqfB+3EumeIMdGvgmkuA9G138szdM9y"
    "QSpFK2XPO6bjEoXBDEG9JEh3xJ/V0Pb9Dnthf1syB0sScQkUFHRcGqV8Ui6joNXc3FtnDsTIFsAn"
    "9BgQvYtflozW/cKApAIAJBaAFAHicBB4t6/BnGLOvaievQDDhXhyPB4jqgj+PcwtfoDn88dR0h1I"
    "CD0u61dLZ6BVQPHlbRB43Cc8B95QJAUtXmtnqNvOK8Yr/v36W7vd6Ry1dzuHxwf7R0cHx7vHoq03"
    "4mzVUVFctv9nf6AnPWhZoPDJygQT0ksiq7JwL6/aeavlKljpuyX2gITr1ute97qnZynP7YfiMwMv"
    "pnEiz5kqqxCvLjQKfmzEGC5blrAJojcG5uKZAXcABF4fwBkF8RbmBWEwEbs3mDgubXnb+ByJfVxA"
    "OcJ0iqwic1BR7+tkhTAs521+QsiMohG+KxWVWEpsHU1+vAZNfpxLkx+/XGEdfF1koC7mW5ZCW0ij"
    "bhPXwpRmJNfsh823yeq39/aP9o87h/tLY78sKbLxvj1PRB7Cba4EoAmZBlUFqtCGEp8NON+kZMP5"
    "1nkf8nSlYH5yF04k0KyaKs4W1TnCIQGncIJj3Fy+A8xijdbJfhYOJgy4CpmdzPCYIAtg8lp6okio"
    "0wJBl7KaOIA6c2XK88YdrePRJs4iNmTc8NI7ZdpzC6yZBt0kPD0GG0Icpb9blG6+FKkq4by+lqXa"
    "lPMI9QChYOGvaQSSQo0hULhPM0iVLr6O7nJAjSQqSeCr71TWzz7qiakcHorVMzlsHjtE9+Tkvk8d"
    "qBDZwFeNiTWOap0d1Sa97KdQc8JDK6notGyj6lqrunl156dQs4Vuscqvzw8ZRBLb4Ail3mVo767z"
    "MkN7N/9tBlmXouosSyhMweLkYxwTqSYuUyuU9ztrgLzfycVYVqU45lrlQtR3e9o8NTIvtP5wmZE1"
    "hbXy8PrjMZBCT33Sk69FqUjIqLZVyEOKdgaOXq9aTUbqE+SnR0kPELBlpNx7I+5V8P0Ej1s0nenM"
    "FRMCjKgzbQGCbhEFPBTHnCF7lOUoH6D/yj7R8MivCdY5Hl/Ve4L5FOUNWihNQD7akcQWmtlKEiAa"
    "AvhpCeBAmxnYr6fQtnMZ4Ehqm9jfTvvocEn8yosizvf6ont+niV+m2PtJrP72R1rRVeIbMJSJQQb"
    "JddayVJTimN18da4FGp2xlSo0f9EWVk8Y2INoilExVPPoeIbbflRxpjINrBrjxFmrEl+TxdRbE40"
    "1QcO/ZpW4dcNozarztP54Ff80aDcJa88MSlWezAZ63s+rSSpIP88eosoU2Zu5B9IYyJbeCJtHxys"
    "cSYVrXJPpV5dil4Xi6oEwkHzLUR3b3et4MVuQfBiNxO8EHfkSuL3r+vLQW7yNlenyljY5OA/sH3f"
    "u5RgFBuztN1KucOygyc3Zvf/A5jqLbk="
)
