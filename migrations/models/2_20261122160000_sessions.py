"""Sessions, and clients that are deleted."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE "session" (
            "id" UUID NOT NULL PRIMARY KEY,
            "nonce" BYTEA NOT NULL,
            "generation" INT NOT NULL,
            "seen_at" TIMESTAMPTZ,
            "created_at" TIMESTAMPTZ NOT NULL,
            "last_used_at" TIMESTAMPTZ NOT NULL,
            "expires_at" TIMESTAMPTZ NOT NULL,
            "device" VARCHAR(120),
            "address" VARCHAR(43) NOT NULL,
            "client_id" UUID NOT NULL REFERENCES "client" ("id") ON DELETE CASCADE
        );
        CREATE INDEX "idx_session_client__5b135e" ON "session" ("client_id", "last_used_at");
        CREATE INDEX "idx_session_expires_823c67" ON "session" ("expires_at");
        COMMENT ON TABLE "session" IS
            'Where a client is signed in; an ended session is no row.';
        COMMENT ON TABLE "invited_count" IS
            'How many clients applied one''s code and are not deleted; written only by triggers.';

        -- By hand.

        DROP INDEX "idx_client_inviter_73de6e";
        CREATE INDEX client_invited ON client (inviter_id, invited_at, id)
            WHERE deleted_at IS NULL;

        -- The code of a deleted client is dead, also to who applies it just now: a deletion that is
        -- under way is waited for. That happens before client_no_ring, whose name comes later in
        -- the alphabet: whoever has its lock waits for no client's row.
        CREATE FUNCTION client_inviter_lives() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM FROM client WHERE id = NEW.inviter_id AND deleted_at IS NULL FOR KEY SHARE;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'the inviter is deleted'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'client_inviter_lives';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER client_inviter_lives BEFORE INSERT OR UPDATE OF inviter_id ON client
            FOR EACH ROW WHEN (NEW.inviter_id IS NOT NULL)
            EXECUTE FUNCTION client_inviter_lives();

        -- A deleted client keeps its place in the forest, but is not counted. No ring can come of
        -- it, so the lock of client_no_ring is not taken: that of the count's row is enough.
        CREATE FUNCTION client_uncounted() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE invited_count SET count = count - 1 WHERE client_id = NEW.inviter_id;
            RETURN NULL;
        END $$;
        CREATE TRIGGER client_uncounted AFTER UPDATE OF deleted_at ON client
            FOR EACH ROW WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
            EXECUTE FUNCTION client_uncounted();
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TRIGGER client_uncounted ON client;
        DROP FUNCTION client_uncounted();
        DROP TRIGGER client_inviter_lives ON client;
        DROP FUNCTION client_inviter_lives();
        DROP INDEX client_invited;
        CREATE INDEX "idx_client_inviter_73de6e" ON "client" ("inviter_id", "invited_at", "id");
        COMMENT ON TABLE "invited_count" IS
            'How many clients applied one''s code; written only by the trigger client_no_ring.';
        DROP TABLE "session";
    """


MODELS_STATE = (
    "eJztXGtv2zYU/SuEvqwFvCCx81o7DHCctPWaOEPirmuLQqAl2uYiU65IxTG6/PeR1FuiZM"
    "tVEsXVl8Tm5aWoc0Xew0PK37WZbSKL7nQty15AYiDtFfiuETgTH7LGFtDgfB6ZRAGDI0vW"
    "holqI8ocaDBuGEOLIl5kImo4eM6wTUT1j1NEgE0QoO7oX2Qw4FJkgsUUMoApsPAMM2S2uN"
    "WYAkgBBPOpqI0ZBRMXUYrojriQaRv8SphMKmzTJfibi3RmTxCbIoe3/OUrL8bERHeIiq9f"
    "NHQ3xw6iOmTaV2Gc3+hjjCwzAeANWor2pEFny7ksPMEEOss3srK4gZFu2JY7IzGH+ZLxjo"
    "UeoyVDEusJIsiB/B5isBLXsvwQBEVe/3kBc1wUdtyMCkw0hq4lgiO8vU5EZZquDy6H+vXZ"
    "UNe1TOACjxjufpFhExF0TJjA6Pu9125087JUkxCcX56IlmeUfrNEwd/dq5P+oHv16cVF95"
    "+X0rT0TeeXg7dB/blN2cSRDWknn4ZnXe1eXgUy6F1HBifCn4efZgPQdRyYg3/gkAqAhSnb"
    "BP+gIApANBieNgLD/sXZ9bB78dfw85evEsUINQeNxbjRXcKwlYXvlAPA8AypEcw4p6A0fe"
    "+d4MMauPpP7XOCNfF0n3aHZ8LSTjzYQemLQ/nA23y69CbSsBHwsT98B8RX8PlycJYeAbEY"
    "aqJP0GW2TuyFDs04JkFxUJSIdWwaKxnopGcFUX6Oo6fOYRZZaXwTmxdFwQgaNwvomHrGYr"
    "ftvLpZ06w9S5dAAicySAJN0U+fPfQsjAhT8QrfUkgqjKjOSkbRBXPkUJvwhG8DB034pI0c"
    "kf8xm4a5nrizEXKy1KGs82qOkMsKsJkdax8+9E/V48yrnRpfrovNHeHzMKxA+33sEkPgCu"
    "SVxJ/9P7THH2i9d92rFx1v5MTHhLz14twvI5YFujeFjhro0CGFNe/qBjnqSakXH413uoXI"
    "hE35173DAoQ585Ig76Wnp4FvaUtTkiFgcosZFL3i+JmlUFa4boR3vbhuEvB18M6HW402p1"
    "Tlc3TSs2FidUvR8SgbDoKbRTnpuYVMjC8qoHlJrKX/BD6TsPuDpTDqnPCgzaKe9GzGdp3H"
    "tjcPO3pJ5pfw+gEG+Hwiu4LvZZY0GYiz+L6xHYQn5D3yJJ8+70ogUqYgzSxLniWsUWnURQ"
    "cuwnVI6rHi9+/NJMJ0xZ/0q35vqN3nrxUzvEShcPqOb95fIUtyvZ8H7cS4p4hS3q5CgywD"
    "0bXXyjNM3LkglRIcskzYsF2iSJgBqJcEDW3+ZzW0fa/BXtDeljyDJSWaBAoKoSaNUr5ckw"
    "nQatXmnb0AvGdL4Ek9FPDW+SdT7OP8QoFYJAJITAAdBIjNgM97XoOFgxmT+z3WEoyW/M7x"
    "ZIIcxbbQw1ziBxQgrx8l6UDC6XH1oFqSgVaB+JM3QeBJn7AceAOXFLR4rZmhbjMv7y//9+"
    "tv7Xanc9Te7RweH+wfHR0c7x7zurLHWdNR0Y5d/21/MEwyaFGg4GRlZOb0kMiGLJjLqyZv"
    "tRwFK7lbYg5IULde97rXPT1LMbcfUu4HUu0+sWzjRpUV4ubCpOCp5voorFkiJ/DWKFjwew"
    "bMBhDINoA99pV4KuV5TPjsDaa267TkNL5AfB7nUI6xM0NmUTqoqPV1zgtQLJ7b/KMCcweN"
    "8V0pvTr02DoB9XgNAfU4V0A9frkiO3ixyEBdrLeETlsosG2T1kKVaSQ37QfVtynrt/f2j/"
    "aPO4f7YbIPS4pyvJfPE5p0MM2VADTh06CqQBVaUOCzgeab9Gw03zrPQzJWCuUnd+BEDs2o"
    "qWJtUR0RDgQ4BQmOaXP5BJjGKq1zLpYTTOhrFeLcKsUTgkyAyWvBRBEPpwn8JoWZ2MCxF8"
    "rDsBs3tA6jTaxFLEiZLg/+iQOxLbDmAdnmKMxjqCHEVvLdooPIoUtVR5Hrm1mqPYwcoe4j"
    "5A/8NZNA0qlJBAr6RBEiG3CnmFtDnOpMnJqDMD9FmBOMoWSg075NqGsd6uYlg58izCa6xS"
    "qemS9hRx6VnLl+aqKTPHXd3l3n2HV7N//ctbClpCPT5AFTqAr5GMdcqtknqBXK+501QN7v"
    "5GIsTCnNs1Z78/WdnjY/qpe31ftwJ/VqCmvl272Pp4jxOPVJT7zAoRLFImurUBfj9XQcvQ"
    "iyWhwbTpF3XEcwQEDDnVv57s4r/01vqXUZ9mzu8gcCjB171gIE3SIHsMAdM4qscVYze4D2"
    "K3uZ/JFfaKrz/nBVbzTlS2Y3aKlMAfloRx5bmGYr2ZBvBMmnFST9aGZgv55By8pVJCOvbV"
    "IjO+2jw1CIFF+KNMjri+75eVaIbJa1mzzdz25Zy5tCZBOVKuHYBLnWQRaRUiyri6fG0KmZ"
    "GVNbX96PKZXFM+bWIFqb0w9d5GBjqql+GMyztAp/FSyqs2p1l49rxT+2kfsAKvm74tnzVz"
    "71XS1VsuWavzria12q3NfOXx7FXLZwfdQ+OFhjhcRr5a6RpC0l9vJBVQJhv/oWoru3u5aU"
    "vlsgpe9mpHR+RaaUIf+8vhzkHm1l6uPCJjYY+A9s3+/ECTASHC7ANFyKxuDuKRaiooGTp0"
    "5m9/8DXLapmA=="
)
