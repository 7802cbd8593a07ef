"""Notifications of what servers tell those who are connected."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        -- By hand. A notification is heard once its transaction is committed, and never if it is
        -- rolled back. It says only where to look: whoever is connected to the database hears it.

        CREATE FUNCTION client_invited() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('client_invited', NEW.inviter_id::text);
            RETURN NULL;
        END $$;
        CREATE TRIGGER client_invited_insert AFTER INSERT ON client
            FOR EACH ROW WHEN (NEW.inviter_id IS NOT NULL) EXECUTE FUNCTION client_invited();
        CREATE TRIGGER client_invited AFTER UPDATE OF inviter_id ON client
            FOR EACH ROW WHEN (OLD.inviter_id IS DISTINCT FROM NEW.inviter_id)
            EXECUTE FUNCTION client_invited();

        CREATE FUNCTION session_ended() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('session_ended', OLD.id::text);
            RETURN NULL;
        END $$;
        CREATE TRIGGER session_ended AFTER DELETE ON session
            FOR EACH ROW EXECUTE FUNCTION session_ended();
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TRIGGER session_ended ON session;
        DROP FUNCTION session_ended();
        DROP TRIGGER client_invited ON client;
        DROP TRIGGER client_invited_insert ON client;
        DROP FUNCTION client_invited();
    """


MODELS_STATE = (
    "eJztXGtv2zYU/SuEvqwFvCCx81o7DHCcdPWaOEPiri8UAi3RNheZckkqjtHlv4/U+0HJlq"
    "skiqsviU3yUtS5Iu/h4ZW/azPbRBbb6VqWvYDEQNor8F0jcCY/ZCtbQIPzeVQlCzgcWW5r"
    "mGg2YpxCg4uKMbQYEkUmYgbFc45tIpt/mCICbIIAc0b/IoMDhyETLKaQA8yAhWeYI7Mlao"
    "0pgAxAMJ/K1pgzMHEQY4jtyAuZtiGuhMmkwj4dgr85SOf2BPEpoqLnL19FMSYmukNMfv2i"
    "obs5pojpkGtfZeX8Rh9jZJkJAG/QUvbnVuh8OXcLTzCBdPnGbSxvYKQbtuXMSMxgvuRiYK"
    "HFaMmRi/UEEUShuIcYrMSxLN8FQZE3flHAqYPCgZtRgYnG0LGkc6S1N4ioTNP1weVQvz4b"
    "6rqWcVxgEcPdLzJsIp2OCZcYfb/3+o1u3i3VXAjOL09kzzPGvlmy4J/u1Ul/0L369OKi+/"
    "GlW7X0q84vB38G7ec24xPqdqSdfBqedbV79yqQQ+86rnMi/IX7WdYBXUphDv6BQcoBFmZ8"
    "E/yDgsgB0WR4Wg8M+xdn18Puxd/Dz1++uihGqFE0lvNGdwjHVha+UwEAxzOkRjBjnILS9K"
    "13gg9r4Oo/tc8J1sTTfdodnsmaduLBDkpfHLoPvC2WS28hDTsBH/rDt0B+BZ8vB2fpGRDz"
    "oSbHBB1u68Re6NCMYxIUB0UJX8eWsZKOTlpW4OXnOHvq7GYZlcY3sXVRFoygcbOA1NQzNX"
    "bbzmubrZq1Z+kSSODEdZJEU47TZw89CyPCVbzCrykkFUbUZiWj6II5oswmIuDbgKKJWLQR"
    "lfEf82kY64kzGyGapQ5ljVdzhFxWgM3sXHv/vn+qnmde69T8chxs7kibh2EF2u9jhxgSV+"
    "BeSf7Z/0N7/InWe9u9etHxZk58Tri3Xhz7XY9lge5NIVUDHRqksBZD3SBGPSn1ErPxTrcQ"
    "mfCp+Lp3WICwYF4uyHvp5Wng17TdqiRDwOQWcyhHJfAzS6GsMN0I73px3STg6+CdD7cabU"
    "GpysfopGXDxOoWouNeNiiCm3k5abmFTExsKqB5Sayl/wQ+E7f7k6XQ64LwoM28nrRs5nad"
    "57a3DlO9JPNLWP0AA3w+nl3B9zJbmgzEWXzf2BThCXmHPMmnL4YSiJQpSDPbkmcJa1QaDZ"
    "HCRbgPST1W4v69lURWXYkn/arfG2r3+XvFDC9RKJy+4Zt3V8hyud7Pg3Zi3jPEmOhXoUGW"
    "geja6+UZBu5ckEoJDlkmbNgOUQTMANRLgoa2+LMa2r7XYS/ob0uewZISTQIFhVCTRilfrs"
    "k4aLVq89ZeADGyJfCkHgZE7+KTKc9xfmFAbhIBJCaAFAFic+DzntdgQTHn7nmPtQSjpbhz"
    "PJkgqjgWephL/IAC5I2jJB1IGD2uHlRLMtAqEH/yFgg86ROeA29gkoIWr7Uy1G3lFeMV/3"
    "79rd3udI7au53D44P9o6OD491j0dYdcbbqqOjErv9nfzBMMmhZoOBkZWTm9JTIuixYy6sm"
    "b7WcBSu5W2INSFC3Xve61z09SzG3H1LuB67afWLZxo0qKsSrC4OCp5rro7BliZggemNgIe"
    "4ZcBtA4PYB7LGvxDNXnsdErN5gaju05S7jCyTWcQHlGNMZMovCQUW9r5MvwLB8bvNTBeYU"
    "jfFdKb06tNg6AfV4DQH1OFdAPX65Ijp4vshAXay3hEZbKLBtk9bClGEkN+wHzbcp6rf39o"
    "/2jzuH+2GwD0uKYrwXzxOadLDMlQA0YdOgqkAVWlDis4Hmm7RsNN86r0OurxTKT+7EiQya"
    "WVPF3qI6IhwIcAoSHNPm8gkwizVaJy9WEEzoaxUyb5XhCUEmwOS1ZKJIuNMEfpeymtiA2g"
    "tlMuzGHa3DaBN7EQsyrruJfzIhtgXWTJBtUmEeQw0htpLvFiUihyZVpSLXN7JUm4wcoe4j"
    "5E/8NYNA0qgJBAr6xBAiG3CnmFlDnOpMnJpEmJ/CzQnGUNLRadvG1bV2dfOSwU/hZhPdYh"
    "XPzJewI4tKcq6fmugks67bu+ukXbd38/OuZV1KOjJN4TCFqpCPccykmnOCWqG831kD5P1O"
    "LsayKqV51upsvr7L0+apenlHvQ+XqVdTWCs/7n08RUz4qU968gUOlSgW1bYKdTHRTsfRiy"
    "CrxbHhFHnpOpIBAhae3Lrv7rzy3/R2tS7Dns0d8UCAMbVnLUDQLaKAB+aYM2SNs5rZA/Rf"
    "2cvkj/xCU53Ph6t6oylfMrtBS2UIyEc7stjCMFvJgXwjSD6tIOl7MwP79QxaVq4iGVltkx"
    "rZaR8dhkKk/FKkQV5fdM/Ps0Jks63d5Ol+dtta0RUim6hUCcPGybV2svSUYltdvDSGRs3K"
    "mDr68n5MqSyeMbMG0RSi4q4XUPFrUkN0l4dmZLIN6lrRanP2cZhYaALqqeZLQfMYVe1JCl"
    "WbfJMuotiYaqqfYvNqWoW/wxa1WbWfzge/4p83yZ3yyh2TYrb7D2N996eVHHLn70dvEWXK"
    "TIL8DWnMZAt3pO2DgzX2pKJV7q7UrUvJ62JSlUDYb76F6O7trnV4sVtweLGbObwQV+RK4f"
    "ev68tBbjIxVydom9jg4D+wfb/MJ8EoDmbpuJWiw7KDJw9m9/8DVsYewg=="
)
