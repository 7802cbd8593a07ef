"""Rings are looked for before the lock, invited_at only increases, and dumps can be restored."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        -- Beside client_invited: invited_at increases past the invitations of deleted clients too.
        CREATE INDEX IF NOT EXISTS client_invited_deleted ON client (inviter_id, invited_at)
            WHERE deleted_at IS NOT NULL;

        -- Invitations are a forest. A client that applies a code has no inviter yet, so it is the
        -- root of its tree, and closes a ring exactly where the inviter is in that tree.
        --
        -- Inviters never change. So the long walk to the root needs no lock: what it has passed
        -- stays, and a ring it finds is final. Then the lock is taken, alone in its statement: each
        -- later statement of this volatile function sees all that was committed before, which holds
        -- under READ COMMITTED only. The second walk goes on from the root, which may have got an
        -- inviter meanwhile.
        --
        -- The lock is kept until the commit, so invited_at increases in the order of the commits,
        -- also where the clock was set back: whoever has seen the latest invitation of a client
        -- finds all others after it.
        --
        -- A client that is inserted with the time of its invitation is restored, and keeps that.
        CREATE OR REPLACE FUNCTION client_no_ring() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            is_restored boolean := TG_OP = 'INSERT' AND NEW.invited_at IS NOT NULL;
            root uuid := NEW.inviter_id;
        BEGIN
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            IF current_setting('transaction_isolation') <> 'read committed' AND NOT is_restored THEN
                RAISE EXCEPTION 'an invitation is applied under READ COMMITTED only'
                    USING ERRCODE = 'invalid_transaction_state';
            END IF;
            IF TG_OP = 'UPDATE' AND OLD.inviter_id IS NOT NULL THEN
                RAISE EXCEPTION 'an inviter is never changed'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'client_inviter_once';
            END IF;
            FOR walk IN 1..2 LOOP
                IF walk = 2 THEN
                    PERFORM pg_advisory_xact_lock(hashtext('connect_hub.client_no_ring'));
                END IF;
                WITH RECURSIVE ancestor (id, inviter_id) AS (
                    SELECT root, (SELECT inviter_id FROM client WHERE id = root)
                    UNION
                    SELECT ancestor.inviter_id,
                           (SELECT inviter_id FROM client WHERE id = ancestor.inviter_id)
                    FROM ancestor WHERE ancestor.inviter_id IS NOT NULL
                )
                SELECT ancestor.id INTO root FROM ancestor WHERE ancestor.inviter_id IS NULL;
                IF root = NEW.id THEN
                    RAISE EXCEPTION 'the inviter was invited by this client'
                        USING ERRCODE = 'check_violation', CONSTRAINT = 'client_no_ring';
                END IF;
            END LOOP;
            IF is_restored THEN
                RETURN NEW;
            END IF;
            SELECT greatest(clock_timestamp(), max(latest) + interval '1 microsecond')
            INTO NEW.invited_at FROM (
                SELECT max(invited_at) AS latest FROM client
                WHERE inviter_id = NEW.inviter_id AND deleted_at IS NULL
                UNION ALL
                SELECT max(invited_at) FROM client
                WHERE inviter_id = NEW.inviter_id AND deleted_at IS NOT NULL
            ) AS invitation;
            RETURN NEW;
        END $$;

        -- Counts once the statement is done: only then has a COPY inserted every inviter. The lock
        -- of client_no_ring is still there, so nobody else inserts the same count.
        CREATE OR REPLACE FUNCTION client_counted() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            UPDATE invited_count SET count = count + 1 WHERE client_id = NEW.inviter_id;
            IF NOT FOUND THEN
                INSERT INTO invited_count (client_id, count) VALUES (NEW.inviter_id, 1);
            END IF;
            RETURN NULL;
        END $$;
        CREATE OR REPLACE TRIGGER client_counted_insert AFTER INSERT ON client
            FOR EACH ROW WHEN (NEW.inviter_id IS NOT NULL AND NEW.deleted_at IS NULL)
            EXECUTE FUNCTION client_counted();
        CREATE OR REPLACE TRIGGER client_counted AFTER UPDATE OF inviter_id ON client
            FOR EACH ROW WHEN (OLD.inviter_id IS DISTINCT FROM NEW.inviter_id)
            EXECUTE FUNCTION client_counted();

        -- A dump has the counts too, which are here already once its clients are restored.
        CREATE OR REPLACE FUNCTION invited_count_once() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            IF EXISTS (SELECT FROM invited_count WHERE client_id = NEW.client_id) THEN
                RETURN NULL;
            END IF;
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER invited_count_once BEFORE INSERT ON invited_count
            FOR EACH ROW EXECUTE FUNCTION invited_count_once();
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
