"""The first tables: written by aerich, then by hand from "by hand" on."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE "client" (
            "id" UUID NOT NULL PRIMARY KEY,
            "phone" VARCHAR(16) UNIQUE,
            "invitation_code" VARCHAR(6) NOT NULL UNIQUE,
            "invited_at" TIMESTAMPTZ,
            "created_at" TIMESTAMPTZ NOT NULL,
            "deleted_at" TIMESTAMPTZ,
            "inviter_id" UUID REFERENCES "client" ("id") ON DELETE RESTRICT
        );
        CREATE INDEX "idx_client_inviter_73de6e" ON "client" ("inviter_id", "invited_at", "id");
        COMMENT ON TABLE "client" IS 'A person who registered with a phone number.';
        CREATE TABLE "invited_count" (
            "count" BIGINT NOT NULL,
            "client_id" UUID NOT NULL PRIMARY KEY REFERENCES "client" ("id") ON DELETE CASCADE
        );
        COMMENT ON TABLE "invited_count" IS
            'How many clients applied one''s code; written only by the trigger client_no_ring.';
        CREATE TABLE "sign_in_code" (
            "phone" VARCHAR(16) NOT NULL PRIMARY KEY,
            "key_id" VARCHAR(8) NOT NULL,
            "nonce" BYTEA NOT NULL,
            "length" SMALLINT NOT NULL,
            "expires_at" TIMESTAMPTZ NOT NULL,
            "resend_at" TIMESTAMPTZ NOT NULL,
            "sends" SMALLINT NOT NULL,
            "guesses" SMALLINT NOT NULL
        );
        CREATE INDEX "idx_sign_in_cod_expires_19f58a" ON "sign_in_code" ("expires_at");
        COMMENT ON TABLE "sign_in_code" IS
            'The code last sent to a phone: what it is computed from, never the code itself.';
        CREATE TABLE "aerich" (
            "id" SERIAL NOT NULL PRIMARY KEY,
            "version" VARCHAR(255) NOT NULL,
            "app" VARCHAR(100) NOT NULL,
            "content" JSONB NOT NULL
        );

        -- By hand: what must never be broken, whoever writes.

        ALTER TABLE "client"
            ADD CONSTRAINT client_phone_is_e164 CHECK (phone ~ '^\\+[1-9][0-9]{1,14}$'),
            ADD CONSTRAINT client_invitation_code_is_capital
                CHECK (invitation_code ~ '^[0-9A-Z]{6}$'),
            ADD CONSTRAINT client_not_own_inviter CHECK (inviter_id <> id),
            ADD CONSTRAINT client_invited_at_with_inviter
                CHECK ((inviter_id IS NULL) = (invited_at IS NULL)),
            ADD CONSTRAINT client_phone_until_deleted
                CHECK ((phone IS NULL) = (deleted_at IS NOT NULL));
        ALTER TABLE "invited_count"
            ADD CONSTRAINT invited_count_not_negative CHECK (count >= 0);
        ALTER TABLE "sign_in_code"
            ADD CONSTRAINT sign_in_code_guesses_not_negative CHECK (guesses >= 0);

        -- Invitations are a forest. The lock comes first and alone: each later statement of this
        -- volatile function then sees all that was committed before, which holds under READ
        -- COMMITTED only. It is kept until the commit, so invited_at grows in commit order.
        CREATE FUNCTION client_no_ring() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock(hashtext('connect_hub.client_no_ring'));
            IF current_setting('transaction_isolation') <> 'read committed' THEN
                RAISE EXCEPTION 'an invitation is applied under READ COMMITTED only'
                    USING ERRCODE = 'invalid_transaction_state';
            END IF;
            IF TG_OP = 'UPDATE' AND OLD.inviter_id IS NOT NULL THEN
                RAISE EXCEPTION 'an inviter is never changed'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'client_inviter_once';
            END IF;
            IF EXISTS (
                WITH RECURSIVE ancestor (id) AS (
                    SELECT NEW.inviter_id
                    UNION
                    SELECT client.inviter_id FROM client JOIN ancestor USING (id)
                )
                SELECT FROM ancestor WHERE ancestor.id = NEW.id
            ) THEN
                RAISE EXCEPTION 'the inviter was invited by this client'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'client_no_ring';
            END IF;
            NEW.invited_at := clock_timestamp();
            INSERT INTO invited_count (client_id, count) VALUES (NEW.inviter_id, 1)
                ON CONFLICT (client_id) DO UPDATE SET count = invited_count.count + 1;
            RETURN NEW;
        END $$;
        CREATE TRIGGER client_no_ring_insert BEFORE INSERT ON client
            FOR EACH ROW WHEN (NEW.inviter_id IS NOT NULL) EXECUTE FUNCTION client_no_ring();
        CREATE TRIGGER client_no_ring BEFORE UPDATE OF inviter_id ON client
            FOR EACH ROW WHEN (OLD.inviter_id IS DISTINCT FROM NEW.inviter_id)
            EXECUTE FUNCTION client_no_ring();
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE "sign_in_code";
        DROP TABLE "invited_count";
        DROP TABLE "client";
        DROP FUNCTION client_no_ring();
    """


MODELS_STATE = (
    "eJztmHlv2zYUwL8KoX/WAlng2EnstcMA2XEar4k92Oq2tigEWqJlIhLlSlQdIct3L0ndp4"
    "9cjhcgCKxHPor6PfJdt5Jl68h0D3smRoRK78CtRKCF2I/cyAGQ4GKRyLmAwqkppmrJnKlL"
    "HajxlWbQdBET6cjVHLyg2CZ8rgwWyHFtApZzGzjIwC5FDtLBEtM5gGAxtwkCxLOmyDnkK+"
    "q2xpbExNhG2SP4u4dUahuIzpHDlvj6jYkx0dENcvnjV/bwA7NVVKxLYog/6SoUn8Nk37jC"
    "4lqdYWTqGUCBgpCr1F8I2adPg7NzMZNvfapqtulZJJm98CnbYzzd87B+yHX4mIEIciB7eQ"
    "oe8UwzpByJgm9iAup4KP4YPRHoaAY9k5tA+n3mEY2TB+JN/N/xH+HWUtNUdThS1ElfUVWp"
    "YDG+hZwdQpFmE25tTChHeXsXrJsAEVKJv6B3IY/ftE7fCgS2Sw1HDApc0p1QhBQGqsIsCW"
    "Vh0yLo3hw65aBjhRxrttU1KIcMN4Ac8XkEopIFb1QTEYPO2ePRaQ3hv+WxgHwUQLbZJQzu"
    "5jAcaYohzjp1gvlhh3xXjJ++EeUS1a14b3Gqnwz4OryrcZfTjl1LFvQZI0SxhWpgx5o5zn"
    "qoehj92OKUR1MS6on3fgLsNZyVwVV/oshXf/HlLdf9bgpcstLnI00h9XPSglHiRcA/A+UC"
    "8EfwZTTs591RPE/5IvE9QY/aKrGXKtTTTCJxJMpYWXMQ3M7KWc0HsHLhbj2zmSX2gfqImH"
    "54Al+I2cPLUmt1lhKh7aye1Xy927t8t7Op4tqZX0brHhngy7HsinyPp9Sz69J0L4RV5Htu"
    "Owgb5CPyBeUB2wokWlniUShcXiTWRJps0YHLuA7JHSv2/YEn4UNjdtLHg54iCdJTqF0voa"
    "OrtchLjnQ3VDz/OEamyPX+P7QFObtpp4hlWGaHikmeZnukJBZESEcEKTb7txrsIFiwF623"
    "R3itppXDa0ECDbFLvhxXLqNQ0qXIU6ruVRQMtLplcWEvAduZD4I+hwvY6uyXDlih+YsLeP"
    "3zHiwdTCkiTGb6YOoDOkfsS7FhICfUY2FF5bCKbY3HeMHq1kdlYyNcbbMol1F62jbHTsa4"
    "g5qeRpVzwMaA0Aq8kUoOLV7LK+xcJWDwTfz6W7PZarWbjdZp5+S43T7pNDpsrthxcahdY4"
    "vu4MNgqGQTQy4oSTWqI2LR4+evRNFkkR9/6JxkJ2/BypQk4wMyGUlPnvTks34uISnG1w1C"
    "woRlgwPS482nkoCQGq0NBy6bp+KkibU6GijM7/LZwIQuBS77YEDtqPn8DiznkALM/rjfth"
    "YeMzGYObZ1AAj6wVw1jdQxdZE5KwaDR1h/nTY4ullg5sF4HVrd8n7iZuxu3YLH6cZWR4lr"
    "5JfG4GraicbD4H7uKJEB3lmDd6cSdyffjSV26KnzMZhAxy/HG6vk6E59itwXyLcuoF6Oup"
    "muDAPZHQzl8ec3V/K/bzOtmcvR8EM0P50IdT8rfTlHPbRmAfvEgqZZmfwkWvuU/bSa7dM4"
    "3+EPdRnO5Eq+vAxSmjTPlNcuMK3vO2Y197DbvE+NR7YUItt0lzOKr0beaSNzS7mbusZY6d"
    "UzZj2j4SHXRRvzTKm9Er1n+fxwtZ6MHKzNpZI6Lxw5qKvxYDJnVXVXzfUe/bSyJL7yAJbm"
    "7yVnL6x8drdaCg5e8+i4fdxpnR7Hpy+W1B3B6D5XV0es1nXDxvm65VFKZQ/ro+bJyRoVEp"
    "tVWSOJsawX5ZdqA8Lh9D2ke9RorFPvNxrVBT8fy9Jlb6SlbcU/J6NhVR84Vsmnc1ij4D9g"
    "YvclxqkauBxGJoeLmMalaAp3r6QQ5Qt0nzuY3f0E3eT82A=="
)
