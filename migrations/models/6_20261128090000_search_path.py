"""Functions that find our tables whatever search_path their caller has, as pg_restore has none.

Our tables are those beside the table of the trigger, so their schema may have any name. pg_temp
comes last: otherwise a temporary table would take the place of ours. client_no_ring follows in the
next migration.
"""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER FUNCTION client_invited() SET search_path = pg_catalog, pg_temp;
        ALTER FUNCTION session_ended() SET search_path = pg_catalog, pg_temp;

        -- A client that is inserted with the time of its invitation is restored. Its inviter may
        -- be deleted, or come later in the same COPY.
        CREATE OR REPLACE FUNCTION client_inviter_lives() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            IF TG_OP = 'INSERT' AND NEW.invited_at IS NOT NULL THEN
                RETURN NEW;
            END IF;
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            PERFORM FROM client WHERE id = NEW.inviter_id AND deleted_at IS NULL FOR KEY SHARE;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'the inviter is deleted'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'client_inviter_lives';
            END IF;
            RETURN NEW;
        END $$;

        CREATE OR REPLACE FUNCTION client_uncounted() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            UPDATE invited_count SET count = count - 1 WHERE client_id = NEW.inviter_id;
            RETURN NULL;
        END $$;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return "SELECT;"  # the release before works with these functions too


MODELS_STATE = (
    "eJztXGtv2zYU/SuEvqwFvCCx81o7DHCcdPWaOEPiri8UAi3RNheZckkqjtHlv4/U+0HJlq"
    "skiqsvbUzyUtS5Iu/h4ZW+azPbRBbb6VqWvYDEQNor8F0jcCb/yFa2gAbn86hKFnA4stzW"
    "MNFsxDiFBhcVY2gxJIpMxAyK5xzbRDb/MEUE2AQB5oz+RQYHDkMmWEwhB5gBC88wR2ZL1B"
    "pTABmAYD6VrTFnYOIgxhDbkRcybUNcCZNJhX06BH9zkM7tCeJTREXPX76KYkxMdIeY/PlF"
    "Q3dzTBHTIde+ysr5jT7GyDITAN6gpezPrdD5cu4WnmAC6fKN21jewEg3bMuZkZjBfMnFwE"
    "KL0ZIjF+sJIohCcQ8xWIljWb4LgiJv/KKAUweFAzejAhONoWNJ50hrbxBRmabrg8uhfn02"
    "1HUt47jAIoa7X2TYRDodEy4x+n7v9RvdvFuquRCcX57InmeMfbNkwT/dq5P+oHv16cVF9+"
    "NLt2rpV51fDv4M2s9txifU7Ug7+TQ862r37lUgh951XOdE+Av3s6wDupTCHPwDg5QDLMz4"
    "JvgHBZEDosnwtB4Y9i/Orofdi7+Hn798dVGMUKNoLOeN7hCOrSx8pwIAjmdIjWDGOAWl6V"
    "vvBH+sgav/1D4nWBNP92l3eCZr2okHOyh9ceg+8LZYLr2FNOwEfOgP3wL5E3y+HJylZ0DM"
    "h5ocE3S4rRN7oUMzjklQHBQlfB1bxko6OmlZgZef4+yps5tlVBrfxNZFWTCCxs0CUlPP1N"
    "htO69ttmrWnqVLIIET10kSTTlOnz30LIwIV/EKv6aQVBhRm5WMogvmiDKbiIBvA4omYtFG"
    "VMZ/zKdhrCfObIRoljqUNV7NEXJZATazc+39+/6pep55rVPzy3GwuSNtHoYVaL+PHWJIXI"
    "F7JfnP/h/a40+03tvu1YuON3Pic8K99eLY73osC3RvCqka6NAghbUY6gYx6kmpl5iNd7qF"
    "yIRPxc+9wwKEBfNyQd5LL08Dv6btViUZAia3mEM5KoGfWQplhelGeNeL6yYBXwfvfLjVaA"
    "tKVT5GJy0bJla3EB33skER3MzLScstZGJiUwHNS2It/SfwmbjdnyyFXheEB23m9aRlM7fr"
    "PLdHlm3cbOTlpGXj5Tp72Yu2VC/J7xNWP8Dzn49nV7D6zMY1A3EW3zc2RXhC3iFP2OuLoQ"
    "RSdArSzObzWcIalUZDpHAR7jZTj5W4fy9eyKor8aRf9XtD7T5fEciwT4WO7Ru+eXeFLJfR"
    "/zxoJ+Y9Q4yJfhVKcxmIrr1eniE9ywWplKyU3e8YtkMUATMA9ZKgoS3+WQ1t3+uwF/S3Jc"
    "9gSSEugYJCjkujlC/KZRy0Wpt7ay+AGNkSeIIeA6J38ZcpT+t+YUBKAQASE0CKALE58Nnt"
    "a7CgmHP3VM9agtFS3DmeTBBVHP49zCV+QOfzxlGSDiSMHlf1qyUZaBVIfHkLBJ70Cc+BNz"
    "BJQYvXWhnqtvKK8Yr/fv2t3e50jtq7ncPjg/2jo4Pj3WPR1h1xtuqo6Fy2/2d/MEwyaFmg"
    "4GRlDhPSUyLrsmAtr5q81XIWrORuiTUgQd163ete9/Qsxdx+6Hxm4J5pnMh9pioqxKsLg4"
    "J3NqKPwpYlYoLojYGFuGfAbQCB2wewx/55C3MPYTARqzeY2g5tucv4Aol1XEA5xnSGzKJw"
    "UFHv62SFMCyf2/yEkDlFY3xX6lQitNg6mfx4DZn8OFcmP365Ijp4vshAXay3hEZbKKNuk9"
    "bClGEkN+wHzbcp6rf39o/2jzuH+2GwD0uKYrwXzxMnD8EyVwLQhE2DqgJVaEGJzwaab9Ky"
    "0XzrvA65vlIoP7kTJzJoZk0Ve4vqiHAgwClIcEybyyfALNZonexnQTChr1XI7GSGJwSZAJ"
    "PXkoki4U4T+F3KamIDai+UKc8bd7QOo03sRSzIuO6md8q05xZYMw26SXh6DDWE2Eq+W5Ru"
    "HppUlXBe38hSbcp5hLqPkD/x1wwCSaMmECjoE0OIbMCdYmYNcaozcWrSnX4KNycYQ0lHp2"
    "0bV9fa1c2rJD+Fm010i1U8M1/Cjiwqyax/aqKTzK1v766TXN/ezc+ul3Up6cg0hcMUqkI+"
    "xjGTas4JaoXyfmcNkPc7uRjLqpTmWauz+fouT5un6uUd9T5cpl5NYa38uPfxFDHhpz7pyd"
    "d0VKJYVNsq1MVEOx1Hr/usFseGU+Sl60gGCFh4cuu+ofXKf5/f1boMezZ3xAMBxtSetQBB"
    "t4gCHphjzpA1zmpmD9B/ZZ8MeOTX1up8PlzVe2v5ktkNWipDQD7akcUWhtlKDuQbQfJpBU"
    "nfmxnYr2fQsnIVychqm9TITvvoMBQi5Y8iDfL6ont+nhUim23tJk/3s9vWiq4Q2USlShg2"
    "Tq61k6WnFNvq4qUxNGpWxtTRl/fJrLJ4xswaRFOIirteQMU3w4boLg/NyGQb1LWi1ebs4z"
    "Cx0ATUU82XguYxqtqTFKo2+SZdRLEx1VQf3PNqWoVf24varNpP54Nf8Udscqe8csekmO3+"
    "w1jf/Wklh9z5+9FbRJkykyB/Qxoz2cIdafvgYI09qWiVuyt161LyuphUJRD2m28hunu7ax"
    "1e7BYcXuxmDi/EFblS+P3r+nKQm0zM1QnaJjY4+A9s3/cXJRjFwSwdt1J0WHbw5MHs/n9f"
    "frlf"
)
