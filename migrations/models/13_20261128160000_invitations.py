"""Invitations at registration, exact limits of uses, campaign codes, new codes and names."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        -- Reads go on while the deleted clients are counted; the lock of reads comes last.
        LOCK TABLE client IN SHARE ROW EXCLUSIVE MODE;
        ALTER TABLE "invited_count" ADD "deleted" BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE "invited_count" ALTER "deleted" DROP DEFAULT;
        UPDATE invited_count SET deleted = invited.deleted
        FROM (
            SELECT inviter_id, count(*) AS deleted FROM client
            WHERE inviter_id IS NOT NULL AND deleted_at IS NOT NULL GROUP BY inviter_id
        ) AS invited
        WHERE client_id = inviter_id;
        ALTER TABLE "client"
            ADD "applied_invitation_code" VARCHAR(6),
            ADD "name" VARCHAR(64),
            DROP CONSTRAINT client_invited_at_with_inviter,
            ADD CONSTRAINT client_invited_at_with_invitation CHECK (
                (invited_at IS NULL) = (inviter_id IS NULL AND applied_invitation_code IS NULL)
            ) NOT VALID;  -- migration 15 validates it, which takes longer
        CREATE TABLE "campaign" (
            "id" UUID NOT NULL PRIMARY KEY,
            "code" VARCHAR(6) NOT NULL UNIQUE,
            "uses" INT NOT NULL,
            "max_uses" INT,
            "created_at" TIMESTAMPTZ NOT NULL,
            "expires_at" TIMESTAMPTZ,
            "ended_at" TIMESTAMPTZ,
            "note" VARCHAR(200)
        );
        COMMENT ON TABLE "campaign" IS 'An invitation code of the operator.';
        CREATE TABLE "retired_code" (
            "code" VARCHAR(6) NOT NULL PRIMARY KEY,
            "retired_at" TIMESTAMPTZ NOT NULL,
            "client_id" UUID NOT NULL REFERENCES "client" ("id") ON DELETE CASCADE
        );
        COMMENT ON TABLE "retired_code" IS
            'An invitation code that its client has replaced; it is never issued again.';

        -- By hand.

        ALTER TABLE "campaign"
            ADD CONSTRAINT campaign_code_is_capital CHECK (code ~ '^[0-9A-Z]{6}$'),
            ADD CONSTRAINT campaign_uses_within_limit CHECK (uses BETWEEN 0 AND max_uses);

        -- A code belongs to one client, former client or campaign. The lock of the code makes
        -- those who take the same code at the same moment see each other.
        CREATE FUNCTION invitation_code_unique() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            wanted text := coalesce(to_jsonb(NEW) ->> 'invitation_code', to_jsonb(NEW) ->> 'code');
        BEGIN
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            PERFORM pg_advisory_xact_lock(
                hashtext('connect_hub.invitation_code'), hashtext(wanted)
            );
            IF EXISTS (
                SELECT FROM retired_code WHERE code = wanted
                UNION ALL SELECT FROM campaign WHERE code = wanted
                UNION ALL SELECT FROM client WHERE invitation_code = wanted
            ) THEN
                RAISE EXCEPTION 'the invitation code is taken'
                    USING ERRCODE = 'unique_violation', CONSTRAINT = 'client_invitation_code_key';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER client_invitation_code_unique BEFORE INSERT ON client
            FOR EACH ROW EXECUTE FUNCTION invitation_code_unique();
        CREATE TRIGGER client_invitation_code_unique_update
            BEFORE UPDATE OF invitation_code ON client
            FOR EACH ROW WHEN (OLD.invitation_code <> NEW.invitation_code)
            EXECUTE FUNCTION invitation_code_unique();
        CREATE TRIGGER campaign_code_unique BEFORE INSERT ON campaign
            FOR EACH ROW EXECUTE FUNCTION invitation_code_unique();

        -- Clients who applied a code before this migration show the present code of their inviter,
        -- so the first renewal stores the former one with them.
        CREATE FUNCTION invitation_code_retired() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            PERFORM pg_advisory_xact_lock(
                hashtext('connect_hub.invitation_code'), hashtext(OLD.invitation_code)
            );
            INSERT INTO retired_code (code, client_id, retired_at)
                VALUES (OLD.invitation_code, OLD.id, now());
            UPDATE client SET applied_invitation_code = OLD.invitation_code
                WHERE inviter_id = OLD.id AND applied_invitation_code IS NULL;
            RETURN NULL;
        END $$;
        CREATE TRIGGER client_invitation_code_retired AFTER UPDATE OF invitation_code ON client
            FOR EACH ROW WHEN (OLD.invitation_code <> NEW.invitation_code)
            EXECUTE FUNCTION invitation_code_retired();

        -- The name goes with the account, also where a server of the release before deletes it.
        CREATE FUNCTION client_name_erased() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.name := NULL;
            RETURN NEW;
        END $$;
        CREATE TRIGGER client_name_erased BEFORE UPDATE OF deleted_at ON client
            FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL AND NEW.name IS NOT NULL)
            EXECUTE FUNCTION client_name_erased();

        -- The applied code is stored with the application. It must be the present code of the
        -- inviter: the lock of the inviter's row waits for a renewal, which changes a key.
        --
        -- A server of the release before knows no campaigns. A client who has applied such a code
        -- has applied one: the statement changes nothing then.
        CREATE OR REPLACE FUNCTION client_inviter_lives() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            present text;
        BEGIN
            IF TG_OP = 'INSERT' AND NEW.invited_at IS NOT NULL THEN
                RETURN NEW;
            END IF;
            IF TG_OP = 'UPDATE' AND OLD.inviter_id IS NOT NULL THEN
                RETURN NEW;
            END IF;
            IF TG_OP = 'UPDATE' AND OLD.applied_invitation_code IS NOT NULL THEN
                RETURN NULL;
            END IF;
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            SELECT invitation_code INTO present FROM client
                WHERE id = NEW.inviter_id AND deleted_at IS NULL FOR KEY SHARE;
            IF NOT FOUND OR NEW.applied_invitation_code <> present THEN
                RAISE EXCEPTION 'the inviter is deleted, or has another code'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'client_inviter_lives';
            END IF;
            NEW.applied_invitation_code := present;
            RETURN NEW;
        END $$;

        -- Uses of a campaign's code are counted on its row, which is locked until the commit.
        CREATE FUNCTION campaign_used() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            IF TG_OP = 'INSERT' AND NEW.invited_at IS NOT NULL THEN
                RETURN NEW;
            END IF;
            IF TG_OP = 'UPDATE' AND OLD.applied_invitation_code IS NOT NULL THEN
                RAISE EXCEPTION 'an applied code is never changed'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'client_inviter_once';
            END IF;
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            UPDATE campaign SET uses = uses + 1
                WHERE code = NEW.applied_invitation_code AND ended_at IS NULL
                AND coalesce(expires_at > clock_timestamp(), true)
                AND coalesce(uses < max_uses, true);
            IF NOT FOUND THEN
                RAISE EXCEPTION 'the campaign is over'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'invitation_used_up';
            END IF;
            NEW.invited_at := clock_timestamp();
            RETURN NEW;
        END $$;
        CREATE TRIGGER client_campaign_insert BEFORE INSERT ON client
            FOR EACH ROW WHEN (NEW.inviter_id IS NULL AND NEW.applied_invitation_code IS NOT NULL)
            EXECUTE FUNCTION campaign_used();
        CREATE TRIGGER client_campaign BEFORE UPDATE OF applied_invitation_code ON client
            FOR EACH ROW WHEN (NEW.inviter_id IS NULL AND OLD.applied_invitation_code
                IS DISTINCT FROM NEW.applied_invitation_code)
            EXECUTE FUNCTION campaign_used();

        -- Called by the statement that applies a code, whose trigger has locked the count until
        -- the commit. client_counted adds this use only at the end of the statement.
        CREATE FUNCTION check_invitations_left(inviter uuid, max_uses int) RETURNS void
            LANGUAGE plpgsql AS $$
        BEGIN
            IF max_uses <= (
                SELECT count + deleted FROM invited_count WHERE client_id = inviter
            ) THEN
                RAISE EXCEPTION 'the invitations of the client are used up'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'invitation_used_up';
            END IF;
        END $$;

        -- Invitations are a forest. A client that applies a code has no inviter yet, so it is the
        -- root of its tree, and closes a ring exactly where the inviter is in that tree. A client
        -- that registers has no tree, so nobody walks and the lock of all invitations is not taken.
        --
        -- Inviters never change. So the long walk to the root needs no lock: what it has passed
        -- stays, and a ring it finds is final. Then the lock is taken, alone in its statement: each
        -- later statement of this volatile function sees all that was committed before, which holds
        -- under READ COMMITTED only. The second walk goes on from the root, which may have got an
        -- inviter meanwhile.
        --
        -- The inviter's count is locked until the commit, so invited_at increases in the order of
        -- the commits, also where the clock was set back: whoever has seen the latest invitation of
        -- a client finds all others after it. Every transaction locks rows of clients first, then a
        -- count, then the forest, so none waits for another in a circle.
        --
        -- A client that is inserted with the time of its invitation is restored, and keeps that.
        CREATE FUNCTION client_root(guest uuid, start uuid) RETURNS uuid LANGUAGE plpgsql AS $$
        DECLARE
            root uuid;
        BEGIN
            WITH RECURSIVE ancestor (id, inviter_id) AS (
                SELECT start, (SELECT inviter_id FROM client WHERE id = start)
                UNION
                SELECT ancestor.inviter_id,
                       (SELECT inviter_id FROM client WHERE id = ancestor.inviter_id)
                FROM ancestor WHERE ancestor.inviter_id IS NOT NULL
            )
            SELECT ancestor.id INTO root FROM ancestor WHERE ancestor.inviter_id IS NULL;
            IF root = guest THEN
                RAISE EXCEPTION 'the inviter was invited by this client'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'client_no_ring';
            END IF;
            RETURN root;
        END $$;
        CREATE OR REPLACE FUNCTION client_no_ring() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            is_new boolean := TG_OP = 'INSERT' AND NEW.invited_at IS NULL;
            is_restored boolean := TG_OP = 'INSERT' AND NEW.invited_at IS NOT NULL;
            root uuid;
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
            IF NOT is_new THEN
                root := client_root(NEW.id, NEW.inviter_id);
            END IF;
            IF NOT is_restored THEN
                PERFORM FROM invited_count WHERE client_id = NEW.inviter_id FOR UPDATE;
                IF NOT FOUND THEN
                    INSERT INTO invited_count (client_id, count, deleted)
                        VALUES (NEW.inviter_id, 0, 0) ON CONFLICT DO NOTHING;
                    PERFORM FROM invited_count WHERE client_id = NEW.inviter_id FOR UPDATE;
                END IF;
            END IF;
            IF NOT is_new THEN
                PERFORM pg_advisory_xact_lock(hashtext('connect_hub.client_no_ring'));
                PERFORM client_root(NEW.id, root);
            END IF;
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

        -- Counts once the statement is done: only then has a COPY inserted every inviter.
        CREATE OR REPLACE FUNCTION client_counted() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            added int := (NEW.deleted_at IS NULL)::int;
        BEGIN
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            UPDATE invited_count SET count = count + added, deleted = deleted + 1 - added
                WHERE client_id = NEW.inviter_id;
            IF NOT FOUND THEN
                INSERT INTO invited_count (client_id, count, deleted)
                    VALUES (NEW.inviter_id, added, 1 - added);
            END IF;
            RETURN NULL;
        END $$;
        CREATE OR REPLACE TRIGGER client_counted_insert AFTER INSERT ON client
            FOR EACH ROW WHEN (NEW.inviter_id IS NOT NULL) EXECUTE FUNCTION client_counted();
        CREATE OR REPLACE FUNCTION client_uncounted() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            UPDATE invited_count SET count = count - 1, deleted = deleted + 1
                WHERE client_id = NEW.inviter_id;
            RETURN NULL;
        END $$;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return "SELECT;"  # the release before works with these tables and functions too


MODELS_STATE = (
    "eJztXW1v2zYQ/iuEvqwFvCJx3CRbhwGOm67e2mRIvK1bUQi0RNtcZMojqTpGl/8+kpKsN0qWHCVV"
    "NH1JbJJHUc+RvLuHL/5iLF0bOezF0HHcNSQWMr4HXwwCl/JDNrMHDLhaRVkygcOpo0rDRLEp4xRa"
    "XGTMoMOQSLIRsyhecewSWXyyQMBjiAF3BlyCAIUcAQcvMQfTjUph3vRvZPGe+GAtAGSAC5E1dckc"
    "zD3EpOzMpQCC1UIUfyEfa7uWeC4m8wd7gkfwPx4yuTtHojAVz/n4SSRjYqNbxOTXjwa6XWGKmAm5"
    "8Ulmrm7MGUaOnQD3Bm1kfSrD5JuVSjzDBNLNG1VYvs7UtFzHW5KYwGrDRWO2EtMNR0oPc0SQfEM7"
    "BjnxHCdQT5jkt18kcOqhbcPtKMFGM+g5UnFS2m9ElGaY5sXlxLw+n5imkVFqKBHTQpBkuUR2CEy4"
    "xOjLnV9v9PIq1VAQvLs8kzUvGfvHkQm/D6/OxhfDqz+fvR9+eK6yNkHWu8uLn8LyK5fxOVUVGWd/"
    "Ts6Hxp16CuTQf45SToS/7BlZBQwphTn4hwIpBTiY8X3wDxMiBUQD5etqYDJ+f349Gb7/dfLXx08K"
    "xQg1imYCB9v0CMdOFr7XAgCOl0iPYEY4BaUdSL8IP5TANei1TwnWRO9+PZycy5x+omOHqc+OVYd3"
    "xVTqT7LbSsAf48lbIL+Cvy4vztMjIKZDQ7YJetw1ibs2oR3HJEwOkxK6jk1jFRWdlKxBy09x9DRZ"
    "zdIqzW5i86JMmELrZg2pbWZy3L6bVzabtewv0ymQwLlSkkRTtjPwLEZwuYJ4TnRexzav0Omw4qV2"
    "+hxDAjD5jDmUCcAS1UnfQBp9dyW7n0uzXkRJmd1+Qa4ngO3s+Prtt/Fr/djyS6fGlOdh+4WUeRhP"
    "wPhh5hFLAaCeJP8MfjQef3CN3g6vnh35oyU+DtSrF9t7qbkszqMFpHqcw/IppEVDn5y3JQbgrekg"
    "MucL8fW4AF/haymI0/PRRZDRlzlJj0DvR40Jr+RFiaY+QTMg2iv+fds/HJwMTo+OB6eiiGroNuWk"
    "AOzxxSSFpdRTRTzjInth2jAHqm5ILYrku+/hxCQlOyemcU5MQ33Vhg2oVmlZQLjPUI7LdRpusoaJ"
    "yyt5aWH5vby0hukx6ab1Dw5KOGqiVK6rpvLuGhPrORgRbugiPT+nVxjnRWV2R3lABGZMxCrrhQso"
    "mmPGEUU2WGO+CLlc0brlFOnCvYrCXdzX8LhPaazKlLIVqGVOaVDgd1gm8jvMD/0OM7FfRIyYVcNr"
    "jWgXaRdH2gqyvfyfpGTnATXZA+oC1vzRJV7QviTOJuiBT0TtwWAp1LpweNB+Wk9KdmO7yWN76rjW"
    "zV5aTkp2Wm6ylkUUI6IV27yHd1RQRfsi3ZrdJPW/AtZh+RYCOyiD7CAf2oHeBaVmxdA1IXWPELZh"
    "aO8fsGY4mQzEWXzfuBThOfkF+fuTxqIp4W67FKQZXuVJwhqlRk2kcL0lUlLdSry/7wrJrCsxiV+N"
    "RxPjLp/sygRWWcjPAsE3v1whR03D/x+0U9u+OKbCHkkjpFmdrILTlV/VKDBnTywEKYUWQ4yJeu8J"
    "1LVfS5tAqsQvZ4kPy/WIxnMOQb0kaOKKP7uhHfsVjsL6WjJiKzLyCRQ0vHwapXx2PqOg3ST9W3cN"
    "RMs2wGf2GQhcXgCDlG+Y2mzFXgFXRPziBfF8jigDayoeBTDPUvf1VHkPQt9/SkXnKCH0uPR+I12j"
    "XgGXnzcB4Hnu/pitSJs2HH3X7x8dnfQPjo5PXw5OTl6eHmy3yWSzivbLnI1/kltmEv5/dg9NQDFV"
    "Az4m1EFfCfp7LdimZ6Os0kIzWXcU0cgJaGcQkZh+EzHEaHg9Gr4+T4UQ91oDv1DrxmeSy9MZ3Hh2"
    "ob3115/N6bZkBXMrDSBYI4oAEy8OuCvMo6pIbmv2K2YAEwAJWLge7YkPtvgUiCtBAeoM0yWyi2xw"
    "7c8pc/KKYdmX8w9drSia4dtKq8FbidYtT56WYIdOc8mh0+c7jLWviwzUxTz3VqiFy1dt4riZ1rTk"
    "OgNh8TZ5AvVtUQ6nuQqAJmQ6VDWoQgdKfPZYa0tKdmttTZ6HlK6qnJeIBLpRU0e8UZ9zHCeGNc5x"
    "ijfOd47jXHU551hzxI8vIAeYs4A5AgvIAEUrB1rIfiUyAGaAoM+Iig/MkxzTXOik1OnBe1R9H26q"
    "O/5W42pzvtcb9r7qZicp2fm/jbY7zaJ6m6vY/dfB8+irh1sGbyistVNYj2bRwxVMjTWPLW7mW3IW"
    "K1Tm1Ic0oWC9kNRRuOQjjSkT3UWYUUxeqWP71F1LCgoSoI6FgeApsmTAWWtPhdRaeRkuK6FWBzJu"
    "qstT5KVCPVDykqHuiMljLEsRV8t0FV3mtBWp6zqnZsxV2oWOWi90ilAPEAomiJLhX1KoCwE1xMkK"
    "Uq3hnaDbHFAjiTbsoSxyU88/TBJdOQwM9D05LB4LJEaycyfxZgiRPcKFmFhHUTU6VOgO9Pwf1Jzw"
    "0CoqOi3bqbrRqm7QZSOdmh9OzTb6jHV+fT5pGkm0wRFKnR7vl7mPQpTKPz/eP0ifJxHaEArTrN8U"
    "HI2KROrhphuF8uCoBMiDo1yMZVZqdbljKjumsmMqdzCVQk9jkrf0GMvtFfKVopyJSYWVR3lFuSP0"
    "zLi/NhhtlVO3kHyvOEXJO4WrhpJItNzlyhN9A8you+wFa4WyoKxCfw36AzyjtovQH/mCliavTdZ1"
    "Q0s+VXmDNlpTkI92JNFCc1vLFsiOCP66RHCgzQzs10voOLlMcCTVJhb4qH9yvCWA5Zci7vf6/fDd"
    "uywB3IW3+/TuJxfeiqoQ2W+jSkywU3KjlSw1pQmvi6fGrVA3M6aWHP0fBaqKZ0ysQzSFqHjrNdT8"
    "ElL+amNMpA0s22MsNzZkh+8QUWwtDE2EHeT0Cn9fLCqzK67OB7/m61pzh7w2YtKM9qAzNjc+rWVz"
    "QX48+hlRpt3BkR+QxkRaGJH2X74sEZOKUvnXPsu8FM0uBlUFhIPiLUT3sNSl2ocFl2ofHmQWMcQT"
    "uZYA/vn68iL3+BbXb5mxscXBv6B9vyonwSg2Zmm7lXKHZQVf3Zjd/Qd4tAF6"
)
