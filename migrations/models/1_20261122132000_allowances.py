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
            "alarmed_at" TIMESTAMPTZ,
            "alarms" INT NOT NULL
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
    "eJztW21v2zYQ/iuEvqwFsiBx3rxuGKA4aes2sYfYXdcWhUBLtMxFJl2SqmNk+e8jqfdXv9"
    "RtHNdfDPuOR1HP8XjPneR7Y0wd5PF90/PoFBIbGS/AvUHgWH0pKveAASeTRKUEAg48PRpm"
    "hg24YNAWUjGEHkdS5CBuMzwRmBI1/P0IEUAJAtwf/ItsAXyOHDAdQQEwBx4eY4GcPam1Rw"
    "ByAMFkpEZjwYHrI84R31cXcqgtr4SJu8Y5fYK/+MgS1EVihJic+dNnKcbEQXeIq5+fDHQ3"
    "wQxxCwrjs1JObq0hRp6TAfAWzdR8WmGJ2UQLzzGBbPZSD1Y3MLBs6vljkjKYzIRcWGwxmA"
    "mksXYRQQzKe0jBSnzPC10QiYL1S4FgPooX7iQCBw2h7ynnKOtgEYnMsKxOt2/1LvuWZRQc"
    "F1mkcA9FNiXK6ZgIhdH9QzBvcvNaamgIrrrnauYx5188JfjbvDlvd8ybD8+uzX+ea9UsVF"
    "11O6+i8RPKhcv0RMb5h/6laTzoq0ABg+to5yT4S/fzogNMxmAF/pFBzgEe5mIV/CNB4oAk"
    "GB7XA/329WWvb17/1f/46bNGMUGNoaGKG8snAntF+C4kAAKPUTmCBeMclE5ovR99WQDXcN"
    "c+JVgzu/vC7F8qTSOzsSPps1O94ak8LoODNJ4EvG/3XwP1E3zsdi7zEZDyoaHWBH1BLUKn"
    "FnTSmETiSJTxdeoYW9LRWcs1ePkpRs8mu1llpeFt6lxUggG0b6eQOVZBQxu0amxRNW6M8x"
    "JIoKudpNBU6wzZQ8vDiIgyXhFqakmFnYyZyyhMMEGMUyITPgUMufLQRkzlfyxGca4n/niA"
    "WJE6LGu8CEfA5KskHMzCOnqCX04YMFJWzRsCg2w0vnvXviiPxGB0LgJ9Hzv7yub78Abjj6"
    "FPbIU80FdSH8d/Gj8+FFuvzZtnR0FspaNG33o9O9A+LQLdGkFWDnRskMNaLnWFLPao5EzG"
    "653lIeKKkfx5eFqDsORmGuTD/AHWCTUNrcpyCL3ZoVqVxM9ZCuUS05Xw3iw2nAV8Ebyr4S"
    "5HOz5alsniWcsdV9u0JJ72ss0QXM3LWcst5Gqy7IBOl3izcAc+EbeHwVLrdUmJ0Gpez1ru"
    "YnuTYztLFRdmfhmrb2CAT8ezc/heoegpQFzE9yVlCLvkLQqaQm25lKiNmYO0ULg8SVgTab"
    "JEBqdxHZLbVvL+g5NEqW7kTr9pt/rGQ3U1WeAlJT3Q0PDl2xvkaa7386D9sFS1XSR5NvVJ"
    "SS6IIO0S1KfyYz6w7WDCVjTfFsG7RH8ig0JJlyKPUnWvouCg+S2L13QK5MpmIOhzcCBnl9"
    "8c9RDjFw5U/fM7mDIshH6w4c3AYAbECMk7xa6LWGgn04qlwCq2Nb7HBea3PiobG+Fsy2W5"
    "jNGPbXNsZI7bq+lpVB0O2G0TUQFvZJKDFi90KmxcJeCqRfz6W6NxdHTWODg6bZ4cn52dNA"
    "+acqxecVF1Vveoqv2q3elniaESlFCNZfqr+ZAouiw6x9fNSTYyCuZSkswZkGEkLbPXMi8u"
    "c4Tkm1rWHd3mPfeofVuWEdLq2oQQtIutQTxyiXwgZ+NgKu8ZCAog0HMAOgxb0Fz3pTEBkI"
    "AR9dme/OLI4QxJSzLEbIycumSwptkXaYJzrPZtda97wtAQ3y3Vho0ttq4v2FygL9is7As2"
    "n8/JDoEvClDXtxFioy3sG21TC4GXppHKtB8N36as3zg8PjtuHp0ex8k+ltTl+CCfZ1qt0T"
    "G3BKAZmx2qJahCDyp8VmhlZi13rcxNPoe0r0peu6oMnMRgFzXrqC3WR4R72CVt0lJPYUt4"
    "cEpbS4O5HGfh5GnufBrcHyHNUYEHuQA85qn6AfyL8IVO/U6nTccTX24NMGR0vAcI+oqY7l"
    "9ocyw48oZFIvwd5l/bO6M/+K2ETWbD63otoZoQ36JZaTOqGu3EYj1wP/Zhtf7yI0GX0NJy"
    "o+4F6NhkXa9Ab25iX+9L0AnqoTcLsPfG0PMqk3BitU1J+KhxdhrnX/WjLvX2rs2rqyJr3b"
    "0i+1PQVjkVIqvUJhnDnZM32snKUyWlSf3RGBvtTsbsyRj+Z2pZPFNmO0Q3ptYzEcP2yCj7"
    "/1+g2av9818yZl51V43rNzxYLiPxlRuwlL+X7L2w8tncamkt/bnq6kjWujx8g2TR8ihlso"
    "X1UePkZIEKSY6qrJG0LtcVlUG1BMLh8C1E9/DgYJF6/+CguuBXukInX5Q+GHnT63YqG/mi"
    "/OGIg20B/gPb93dQBUaGw0WYxqVoCu5WSSGqJjh/7GT28D+sHTZg"
)
