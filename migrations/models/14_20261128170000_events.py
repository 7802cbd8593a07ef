"""Events, and their deliveries to webhook endpoints. Releases before this one write no events."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE "event" (
            "id" UUID NOT NULL PRIMARY KEY,
            "type" VARCHAR(40) NOT NULL,
            "client_id" UUID NOT NULL,
            "data" JSONB NOT NULL,
            "created_at" TIMESTAMPTZ NOT NULL,
            "actor" VARCHAR(8) NOT NULL,
            "request_id" VARCHAR(32),
            "address" VARCHAR(43),
            "device" VARCHAR(120),
            "trace" TEXT
        );
        CREATE INDEX "idx_event_created_bab911" ON "event" ("created_at");
        CREATE INDEX "idx_event_client__28724f" ON "event" ("client_id", "created_at");
        COMMENT ON TABLE "event" IS
            'A change that receivers of webhooks learn of; also the audit trail. It has no phone.';
        CREATE TABLE "webhook_endpoint" (
            "id" VARCHAR(16) NOT NULL PRIMARY KEY,
            "origin" TEXT NOT NULL,
            "types" TEXT[] NOT NULL,
            "seen_at" TIMESTAMPTZ NOT NULL,
            "delivered_at" TIMESTAMPTZ,
            "failing_since" TIMESTAMPTZ,
            "failure" TEXT,
            "paused_until" TIMESTAMPTZ,
            "disabled_at" TIMESTAMPTZ
        );
        COMMENT ON TABLE "webhook_endpoint" IS
            'The state of a URL in WEBHOOK_URLS, which is stored as a hash.';
        CREATE TABLE "webhook_delivery" (
            "id" UUID NOT NULL PRIMARY KEY,
            "endpoint" VARCHAR(16) NOT NULL,
            "created_at" TIMESTAMPTZ NOT NULL,
            "attempts" SMALLINT NOT NULL,
            "due_at" TIMESTAMPTZ,
            "event_id" UUID NOT NULL REFERENCES "event" ("id") ON DELETE CASCADE
        );
        CREATE INDEX "idx_webhook_del_endpoin_9fe131" ON "webhook_delivery" ("endpoint", "due_at");
        CREATE INDEX "idx_webhook_del_event_i_9f48f9" ON "webhook_delivery" ("event_id");
        CREATE INDEX "idx_webhook_del_created_b8f7ae" ON "webhook_delivery" ("created_at");
        COMMENT ON TABLE "webhook_delivery" IS
            'An event that an endpoint has not accepted yet; its row is deleted once it has.';
        -- By hand, since a model cannot declare it: the invitations of an inviter.
        CREATE INDEX "event_inviter" ON "event" (("data" ->> 'inviter'), "created_at")
            WHERE "type" = 'client.invited';"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE "webhook_endpoint";
        DROP TABLE "webhook_delivery";
        DROP TABLE "event";"""


MODELS_STATE = (
    "eJztXW1T2zoW/iuafNnuDMtAQgt7u7MzAdLbbCnsQLq993Y6HsVWEi2OlCsrhEy3/30l+d2WjB0M"
    "OMFfWiLpSPZz9HLOoyP5R2dOHeR6+33XpStIbNT5BfzoEDiXf+Qz90AHLhZxlkzgcOyq0jBVbOxx"
    "Bm0uMibQ9ZBIcpBnM7zgmBJZfDRDYOkhD9AJoAQBBjkCLp5jDsZrleItx/9FNt8Tf9gzAD3AhciK"
    "UTIF0yXypOyEMgDBYiaK78tmHWqLdjGZPlkLS4L/XCKL0ykShZlo59t3kYyJg+6RJ39+66D7BWbI"
    "syDvfJeZi1trgpHrpMC9RWtZn8qw+HqhEk8xgWz9QRWWrzO2bOou5yQhsFhz8TCRxHjNkdLDFBEk"
    "39BJQE6WrhuoJ0zyn18kcLZE0YM7cYKDJnDpSsVJaf8h4rSOZV1ejaybwciyOjmlhhIJLQRJNiWy"
    "Q2DCJUY/fvr1xi+vUjsKgourU1nz3PP+dGXCf/rXp8PL/vXvbz73f/uryloHWRdXl7+G5RfU41Om"
    "Kuqc/j4a9Ds/VSuQQ78dpZwYf9kz8groMwYN+IcCGQW42OOb4B8mxAqIB8rLamA0/Dy4GfU//3v0"
    "x7fvCsUYNYYmAgfHWhKO3Tx85wIAjudIj2BOOAOlE0jvh3+UwDXotdsEa6p3n/dHA5nTTXXsMPXN"
    "O9XhqZhK/Uk2qgR8HY4+AvkT/HF1OciOgIQOO/KZ4JJTi9CVBZ0kJmFymJTSdWIaq6jotGQNWt7G"
    "0dNkNctVaXKbmBdlwhjatyvIHCuXQ7vUVDafNe/OsymQwKlSkkRTPmdgWZy5GBGuszmCnEKDw47L"
    "PGht9MECMY8SsJpRwNBUTNqIIQesMJ+F67t4uvkYsbwhUVX4YRvBaBVgJz/WvnwZnuvHmV86M76W"
    "S+zsS5mnsQo6/5gsiS1xBaol+c/RPzvPP9DOPvav3/T8kZMcE+rVi9d+pbE80GczyPRARwIZrMWj"
    "brBGvajpJUbjveUiMuUz8fPwXQHCwvJSIB9mp6fLIKerstIWAiZ3mEP5VAI/pxLKGtGN8G6WrZsG"
    "vAzeZrj1aAuTqvoanZZsLbGmLdFJLdsMwc20nJbcQUtMOBXQuSLuOuiBW6L2YLAUal0YPGgzracl"
    "27Hd5LE9dql9u5GW05KtlpusZX+1ZVZF+z4l9Qg7f3s0+4BVn3NccxDn8f1AGcJT8gn5xN5QPEpI"
    "U2cgzTmfWwlrnBo/IoOryNvMdCvx/v56IbOuRU+/Hp6NOj/NjEDO+tTw2IHgh0/XyFUW/etBOzXu"
    "PeR5ol4N01wFohu/li00z4wgVaKV8v6OTZdEs2CGoF4RNKLin4ehHfoVnoX17UgfrEjEDe4MPJyf"
    "sVdEw6G7CiycPYNkigCfQQ4YshG+Q0xt0K3QeEbprQdcBBkRKe+BqIOqHTm4dDAH8gXdfTDkYAY9"
    "QKhp2++pGimz85dwt0Tet4CiDCbaZGZLAL4oAaigyuFsZqbC8vXQUS/tMqcIqaODEozU0YGRkpJZ"
    "aU4q1enL9uSUUJ0duhkz9Eb9N0EFiI6cR/NfN1eXBgIgKJ91CrHNwf/A7m1ZSyRSrmDYP6OYgUTX"
    "PdNEDMgKTrP9uGXdXoNrLiwWqvEazYtBJLCDq8FJicXgxLgWnGSXAobEO3r6tcAMcFqqli23RoHc"
    "65ZAudc1wiyz0jiL7i5GhMbLLOjFscjuIXzUK2PU9MxGTS+LsIPusF3JZowldg/fw24Zq1GUMm8c"
    "d3N2o3QeNQiP0D03WOWhwC4AXLSkDn4bFVs3qYjIsHjW5NGwp2VIPuHwSwca68Ilq5BYX33n+9yv"
    "br2FS2U9ZFZFaiZFUGkYmiyBZSZqctzZw4TNR7oC4snWwHfPPCBqF385AAYpf/GADNUAkIg0hgCh"
    "HAS7j+8BJe5aAISnU8m/rJhoHWCeZ2yerJVHBGI1y4ltarD2IygYE4OLp0NimO8jkQy0uBR127TZ"
    "RDyv+O9vf+92e73j7kHv3cnbo+PjtycHJ6KseuJ81nFR4Pzw1+FlZuKXCZWm/fxMlh0SeZWFZHvd"
    "u2uNHAUPbq6l5oDU3tpZ/+asfz7IbK09anG4VEGnpzIQQLc2JLMLlwY/eNUaRyUrrAyiNjHtIjEt"
    "e+LFAadi2lYVScbdr9gDmIjJG8zoku2pWXwWiitBAeoEszlyitaG2tspQ+h7WPZlM12/YGiC76u4"
    "BbHEzsU21kIemFcMXxc5qIupuEioZeEazcJ52qXFaAqExXfJEugeHh0fnfTeHUUGQJRStO77a3yK"
    "uA6nuQqApmRaVDWoQhdKfDbYDkhLtoF6TZ6HlK40TIdx4MQC7aipw9+ozzgOo6Y0hnEioMpsFHuJ"
    "QmUOmLnQRmA1k4ZmSFwA7AEPTwlyhGX6XsWZMGGRCoNVWKlIaNgBQSuyZEBpaA+g1Vp5qVCWpB/j"
    "Qo9b6uxuGNlS6ox7G8zyHEwKoVq7uOgugUikrtsEmrsC1XufQIx6gFAwQZRcLNJC7YKhMbMWkGld"
    "AfM2UCzR7gOV2wdKO16IbGDTJsRag7bJBm0bxfQq1Jyy0CoqOivbqrrRqm7vZXkVam4jjp484ugF"
    "wuaaNmKeOm6uWXEUzZ2eNj/3atqWf7pjrw2Ftfat+edjKoWehuRM3nmjIyvj3L1CvlKUs3B8d065"
    "OzhdoWeP+/FV8ca6Ovb2i+IUJe/kn6XDinK06XyxFH0DTBid7wGC7hBTBWUV+ls4n6CN2u7hfOa7"
    "oJq8f1/XZVBmqvIWrSueBYgldnC5rfm0RUsEvwQRHGgzB/vNHLqukQmOpXaJBe51j99FBLD8UcT9"
    "3nzuX1zkCeDWvd2kd2+deyuqQmQTtiol2Cq50UqWmtK418VTYyTUzoyZLUf/TvqqeCbEWkQziIq3"
    "XkHNRfzm3caEyC6wbA07dvaUXnb2AJrG1dacUTP728FtMpaTLP1woBAB6sYc3931I3UWVKgjuHFG"
    "pNk2Wkjnd434e+EQeyqsJw7hAdJml46yENDECtVffylfO2hFPY8oHMUJ3QWUi/rVXoHTmKihpMLK"
    "OuNJmR10x+u/DLvdfH8VZi7kHM0XvLJllpRrTbPMhQv+IlJx2MRSbVRSk0dMZBZUWOmTMu2mYPGm"
    "YHQp4yP3BKP7H7cT1Ae3BJN9qkk7goEjMggNLrOvMkjYZA/7KkkLrtz+oOghHKlDBeDL9YU8YPt1"
    "cPrx6uqTJX7e7IHVDNszdRSBU/lRHOFkQOk5zPRbgY+rruYv6xR8iqTGLadXtcNHGZ5iTUi8mVCJ"
    "JXbCpXju+G2/iRzeBR8yjCR2/0uGAsHcJwwbEfC+TSBum20Z8HGbfjklJdt6EU3W9ARiV7yrtdHN"
    "EDnhVtdN1/WSVbofMCHSbtVUtywWcPNP/WZl27HV5LHlYE+CvNGCmRZt9dw0PTdk87WPmHDsOxoe"
    "I8jZK6IvYFzmIdLCrNiayQMjq6/lDjR8ftDRm0sd1HKy20wVyK+yaI/Pm2mZhMhOkAVpdqb79m0J"
    "ekaUMvIzKi9zxkkMqgoIB8V3EN3Dg1InyA4KTpAd5L91QgnXMu3mb3MkRNrPc1T8PMeLLmY//w82"
    "H23K"
)
