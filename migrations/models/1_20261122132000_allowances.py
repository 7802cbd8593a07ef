"""Allowances, and the traffic of number blocks."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE "allowance" (
            "key" BYTEA NOT NULL PRIMARY KEY,
            "uses" TIMESTAMPTZ[] NOT NULL,
            "refused_until" TIMESTAMPTZ,
            "expires_at" TIMESTAMPTZ NOT NULL
        );
        CREATE INDEX "idx_allowance_expires_43bc7e" ON "allowance" ("expires_at");
        COMMENT ON TABLE "allowance" IS
            'When one subject used what is limited, such as a phone its guesses.';
        CREATE TABLE "number_block" (
            "prefix" VARCHAR(8) NOT NULL PRIMARY KEY,
            "since" TIMESTAMPTZ NOT NULL,
            "sent" INT NOT NULL,
            "confirmed" INT NOT NULL,
            "alarmed_at" TIMESTAMPTZ
        );
        CREATE INDEX "idx_number_bloc_since_fb7279" ON "number_block" ("since");
        COMMENT ON TABLE "number_block" IS
            'How many codes went to a block of numbers within an hour, and were confirmed.';

        -- By hand.

        -- When another use is free, given the times of the former ones (oldest first) and the rates
        -- "so many in such a period": once the use that many back is a period ago. Null: at once.
        CREATE FUNCTION allowance_free_at(uses timestamptz[], counts int[], periods interval[])
            RETURNS timestamptz LANGUAGE sql STABLE
            RETURN (
                SELECT max(uses[cardinality(uses) - rate.count + 1] + rate.period)
                FROM unnest(counts, periods) AS rate (count, period)
            );
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE "number_block";
        DROP TABLE "allowance";
        DROP FUNCTION allowance_free_at(timestamptz[], int[], interval[]);
    """


MODELS_STATE = (
    "eJztW21v2zYQ/iuEvqwFsiBx3rxuGKA4aes1sYfYXdcWhUBLtMxFJl2SqmNk+e8jqfdXv8"
    "RtHM9fDOuOR1HPkbznjtK9MaYO8vi+6Xl0ComNjFfg3iBwrP4UlXvAgJNJolICAQeebg0z"
    "zQZcMGgLqRhCjyMpchC3GZ4ITIlq/mGECKAEAe4P/kG2AD5HDpiOoACYAw+PsUDOntTaIw"
    "A5gGAyUq2x4MD1EeeI76sbOdSWd8LEXWOfPsFffWQJ6iIxQkz2/PmLFGPioDvE1eVnA91N"
    "MEPcgsL4opSTW2uIkedkALxFM9WfVlhiNtHCc0wgm73WjdUDDCybev6YpAwmMyEHFlsMZg"
    "JprF1EEIPyGVKwEt/zQhdEomD8UiCYj+KBO4nAQUPoe8o5yjoYRCIzLKvT7Vu9y75lGQXH"
    "RRYp3EORTYlyOiZCYXT/EPSbPLyWGhqCq+656nnM+VdPCf4yb87bHfPm44tr8++XWjULVV"
    "fdzpuo/YRy4TLdkXH+sX9pGg/6LlDA4D7aOQn+0v286ACTMViBf2SQc4CHuVgF/0iQOCBZ"
    "DE/rgX77+rLXN6//7H/6/EWjmKDG0FCtG8snAntF+C4kAAKPUTmCBeMclE5ovR/9WQDXcN"
    "Y+J1gzs/vC7F8qTSMzsSPpi1M94ancLoONNO4EfGj33wJ1CT51O5f5FZDyoaHGBH1BLUKn"
    "FnTSmETiSJTxdWobW9LRWcs1ePk5rp5NdrOKSsPb1L6oBANo304hc6yChjZoVduiatwY5y"
    "WQQFc7SaGpxhmyh5aHERFlvCLU1JIKO2kzl1GYYIIYp0QGfAoYcuWmjZiK/1iM4lhP/PEA"
    "sSJ1WNZ4EY6AyTdJOJiF9eoJrpxwwUhZNW8IDLKr8f379kX5Sgxa51ag72NnX9l8H95g/D"
    "b0ia2QB/pO6uf4d+PHL8XWW/PmxVGwttKrRj96PTvQPi0C3RpBVg50bJDDWg51hSj2pORM"
    "rtc7y0PEFSN5eXhag7DkZhrkw/wG1gk1Da3Kcgg92aEalcTPWQrlEtOV8N4sNpwFfBG8q+"
    "EuRzveWpaJ4lnLHVfbtCCe9rLNEFzNy1nLLeRqMu2ATpd4s3AGPhO3h4ul1uuSEqHVvJ61"
    "3K3tTV7bWaq4MPPLWD2CAT4fz87he4WkpwBxEd/XlCHskncoKAq15VCiMmYO0kLi8ixhTa"
    "TJEBmcxnlIblrJ5w92EqW6kTP9pt3qGw/V2WSBl5TUQEPD1+9ukKe53v8H7Yelsu0iybOp"
    "T0piQQRpl6A+lT/zgW0HHbai/rYI3iXqExkUSqoUeZSqaxUFB80vWbylUyBHNgNBnYMD2b"
    "v856hDjJ84UPnPr2DKsBD6YMObgcEMiBGST4pdF7HQToYVS4FVLGt8jxvML31UFjbC3paL"
    "chmjH1vm2MgYt1dT06jaHLDbJqIC3sgkBy1eaFfYuEzAVYP4+ZdG4+jorHFwdNo8OT47O2"
    "keNGVbPeKi6qzuqKr9pt3pZ4mhEpRQjWXqq/klUXRZtI+vm5Ns5CqYS0kye0CGkbTMXsu8"
    "uMwRkkeVrDu6zHvuUfu2LCKk1bUBISgXW4O45RLxQPbGwVQ+MxAUQKD7AHQYlqC5rktjAi"
    "ABI+qzPfnHkc0ZkpZkiNkYOXXBYE29L1IE51jN2+pa94ShIb5bqgwbW2xdXbC5QF2wWVkX"
    "bL6cEx0CXxSgri8jxEZbWDfaphICLw0jlWE/ar5NUb9xeHx23Dw6PY6DfSypi/FBPM+UWq"
    "NtbglAMzY7VEtQhR5U+KxQysxa7kqZm7YPbci7Bj3skjZpqVPDEt6W0tbSNi7bWTg5fZxP"
    "2/ojpDkV8CAXgMe8Sh8YvwpfQNTvINp0PPHlrARDRsd7gKBvMscWkTkWHHnDInH7Dv2v7R"
    "3HH3yKvsnsbV3H6NUE7hbNSosn1WgnFuuB+6lD0vrpcoIuoaX0uO6F3dhkXa/sbm4gWu9L"
    "uwnqoTcLsPfG0PMq2VZitU1U66hxdhqzLHVRR7B61+bVVZFl7V7p3FqalX1LW/KAVbh0xn"
    "Dn5I12svJUyRcM9VtjbLTbGbM7Y/iNz7J4psx2iD7y3GN9uZ6JGLZHRtn3aoFmr/ZjtaTN"
    "vOyuGtdHHISWkfjKCVjK30vmXpj5bG62tJZ6UnV2JHNdHr7xsGh6lDLZwvyocXKyQIYkW1"
    "XmSFqXq+LJRbUEwmHzLUT38OBgkXz/4KA64Ve6QuVZlBby/+h1O5WFZ1FezHewLcC/YPs+"
    "X1RgZDhchGmciqbgbpUkoqqD86cOZg//AbYkzRc="
)
