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
    "eJztXW1z27gR/isYfWk643psSYndc6czsqNc1CR2x1aau8tkOBAJSagpQEeCVjSp/3sB8P3VpEQn"
    "EIMviQVgQfJZgNh9dgF+662ohWz3eGTbdAOJiXq/gG89Alfij3zlEejB9TquEgUMzmzZGqaazVzm"
    "QJPxijm0XcSLLOSaDl4zTIloPl0i4LnIBXQOKEHAgQwBG68wA7OtLHG92X+RyY74H+YSQBcwLrJx"
    "KFmAhYdcITunDoBgveTNj8VlLWry62KyeLYreAT/6SGD0QXijR1+nc9feDEmFvqKXPHzcw99XWMH"
    "uQZkvS+icn1vzDGyrRS492gr+pMVBtuuZeElJtDZvpGNxePMDJPa3ookBNZbxm8mkphtGZJ6WCCC"
    "xBNaCciJZ9uBesIi//55AXM8FN24FRdYaA49WyhOSPs3EZf1DOP6ZmrcjaeG0cspNZRIaCEoMikR"
    "AwITJjD69uj3Gz+8LO1JCN7fXIqeV677py0K/jO6vZxcj25/f/Fh9NtfZdU2qHp/c/1r2H5NXbZw"
    "ZEe9y9+n41HvUV4FMuhfRyonxl+MjLwCRo4DS/APBTIKsLHLdsE/LIgVEE+UH6uB6eTD+G46+vDv"
    "6R+fv0gUY9QcNOc4WIZHGLbz8L3mADC8QsUI5oQzUFqB9HH4Rw1cg1F7SLCmRvfr0XQsavqpgR2W"
    "vnglBzzlr1L/JRt1Aj5Npm+B+An+uLkeZ2dAQoc9cU/QY9QgdGNAK4lJWBwWpXSdeI01VHRasgUt"
    "H+LsUVnNYlWa3yfei6JgBs37DXQsI1dD+7Ssbb5q1V9lSyCBC6kkgaa4z8CyuIKrNcQLUmR1RHWV"
    "RoeZbPWkzTEiAJMHzKAoACbvTtgGYtGnazH8qJO3ImrKPG0XlFoC2MrPr48fJ6+L55bfOjOnPA9b"
    "x0LmeSyB3j/mHjElAPJK4p/hP3vff3JdvR3dvhj4syU5D+SjV6/3QnN5nK+W0CnGOWyfQZrf6MFZ"
    "W3wCfjVsRBZsyX++qsCX21oS4uz76Dqo6IuatEVQbEdNCGtkRfFbPcBlgN8v/+9v/dPh2fB88Gp4"
    "zpvIG41KzirAnlxPM1gKPTXEMymyE6aKGVBtQ2o6SDz7DkZMWlIbMcoZMYraqopNqE5pmUO4y1RO"
    "ymkNq6xhQlkjKy1sv5OVppge02Za/+SkhqHGW5WaarLuURlfz8aIsF6Rp+fXHFX6eXGbp708wB0z"
    "l/sqmyUFDlpglyEHWWCD2TLkcvndrWaoyN1rKKz9PsX9PqmxJq+USKCVd4pCjt9pHc/vtNz1O835"
    "fjExYjR1rwtEtadd7WlLyHayf9KS2gJS2QLSDmv57OIPaN0QexuMwANRezBZKrXODR60m9bTknpu"
    "qzy3ZzY173fSclpSa1llLXMvhnsrlrGHdVTRRfc83ZbNJPl/A6zD9h0EdlgH2WE5tMNiE9QxGrqu"
    "Kak9XFjF0N7dYc1xMjmI8/i+oQ7CC/IO+flJE34rYbZdBtIcr3KQsMal8S06cBMRKZlhxZ/fN4VE"
    "1S1/id9Orqa9x3KyK+dY5SG/DATfvLtFtnwN/zxoZ9K+GHb4eiQWoYLoZBOcbv2uroLl7MBckFpo"
    "uch1eb97AnXn99IlkBrxy3niw6QeKbCcQ1BvCJpS/s/T0E78Dq/C/joyYxsy8uOHEkLerziq4uPR"
    "QwM63lxCskCALSEDDjIRfkCOzMreoNmS0nsX2Ag6hJdcAN4HldlV0LMwA+IB7WMwYWAJXUBoWa73"
    "c12kTrp3gnfhdZ+DWEWwLCUrdSTgh0YCJFQNHIOwfTu8tFKewbBObHFYHlocnmQ9g9SgrzuSU0Jt"
    "Dmg13tA7jd8EJ8gHch7Nf93dXJcwgUH7LDuETQb+B7q3T0EgkeKEwvEZbRRJDN2rgm0iooNLnS/2"
    "U3J0JqMFPnYFIxcKdHA1OK+xGJyXrgXn2aXAQfwZ3eK1oBzgtFT3yLhBvwbKg34pzKIqjTMf7nxG"
    "FHiZFaM4FukewsNBHaNmUG7UDLIIW+gBm41sxliie/ie9utYjbxVeQZJP2c3CuexAOEp+lqS8B4J"
    "dAHgqiV1/Nu02rpJbYMNm2dNnkb5f6l4tHCg8b5s3yff+X7td7c9wKWyHTKrITWTIqgKGJosgVVO"
    "1OS4s6cJm7d0A/idbYHvnrkgiEYCGJT8xZX74NwLQIm95WjgxUKQLRuHXwpglqdn2ulyj1xLtdxT"
    "Vffe77W9rpibxYvSrUuRSJf2gv293x8Mzvong1fnL4dnZy/PT6IdTPmqqq1Ml5NfxW6m1Cs9v70p"
    "yP5pBnxCSEPfCPq9cumzb6O80sIIRtsBXiVfQE/Gd1Ov31R492p0dzV6Pc5Ed/daca9lSv+lSLMq"
    "WnCT1ZXrrb81wJhFLRsst2IBBBvkIODyBweM8uVRdiTCGH7HLsAEQAKW1HOO+B8W/ysQl4Ic1Dl2"
    "VsiqWoNbv06dKImLxVguj4GsHTTHX5v4WrFE5zLHW2FkyhdrXxc5qKv5zUhIU5tKU5tu4dJSagyE"
    "zbtkCbS3ezx8zTUANCWjUS1AFdpQ4LNDjCUtqdOgVX4PSV01OcoiFtCzpg1/oz3jOJmzV2AcZ1L6"
    "yo3jZBphPeO44PQlmeGDmRswRzJnx0FrG5rIuuAVALuAoAfk8D9cT3BMC66TWgc77dH1PtyUPpmo"
    "xY0A5VZvOPqaLztpSW3/Kr3uqEX1qqvY3bcolNFXz7dDQVFYW6ewvtuKHiaXF6zmibzz8pXcTTSq"
    "cyCHWELBZimoozDkIxZTlw8XvoxiciHTcR26ERQUJECe2AOCq4iWAWddeGBHq53XyvhNqtWGLjPk"
    "ubZhAnCt8591zu/3CEsRWsh0VZ2zHYm0ddK2Gu+qwkBHq2dtx6gHCAUviJruX1pIu4AFxMkaOoUL"
    "b3m2TCyh02XqpcukqVREdnAXEmKaolLaVdDJ3j+DmlMWWkNFZ2W1qpVWtULnwGo1P5+adWL2sydm"
    "/4DdBarNmOfeXqCZSs1UaqbyKaaS62lCykKPidqjSr6StzMwaRB5FF+Ps7meXebHBuNUOXk6wC+S"
    "UxS8Uxg1FESiSVdrj48NMHfo6iiIFYqGooviL9Q9wzVa+0bddz47V+XYZFuH55ZTlfdo23DLZCzR"
    "weW25U2pmgj+EURwoM0c7HcraNulTHAs1SUWeNA/exURwOJHFfd792H0/n2eANbu7S6j++DcW94V"
    "IrslqiQEtZKVVrLQVIF7Xf1qjIT0mzETcvS/19wUz4SYRjSDKH/qDSz4SHV5tDEh0gWWTbHd+c/p"
    "ZWf36Re42gVb+cv97eDQPcNKtq6T7SsPFvTdXT9TZ00xCQ/m42WmidbC+d0idiFTdUVaT5zCA4TN"
    "LhxlLlCY8tt2/7V87eAq8n544yhP6CGgXOQvfVKgMllDSYXVdcaTMh10x9v/eJAOvv8UZi5kDK3W"
    "rLFllpTTplnm1Ad/EWk4bWIpnZWk8oyJzIIGK31SRgcFq4OC0dnVe8YEo2OyDxPUJ0OCyTGlUkQw"
    "cETGocFV7quMEzbZ075K0oKrFx/kI4QhuakAfLx9L47M+DS+fHtz887gP++OwGaJzaXcisCo+Igo"
    "dzKg8ByWxaHA/bpr+UukFZ9ubDHk9FNF+KiDF7ggJb6cUIklOuFSfO/8bf8SObxHjgNLYn6RRAbv"
    "7p2eLRD8/EXFhPdDAvHQbMuAj9v1S5MpWe1FqKzpOcQ2f1Zjp7OecsJa16rr2nMaHaOcENGhmuaW"
    "xRrKPSEeYdhuOrmysnpuqTy3LOwKkHdaMNOiWs+q6VmR4OsIOdyx7xXwGEHNURV9AeM2T5EW5Ypt"
    "mTwoZfULuYMCPj8Y6OpSB63s7C6nCsTH6wq3z5fTMgmRTpAFaXam//JlDXqGtyrlZ2RdZo8Tn1QN"
    "EA6adxDd05NaO8hOKnaQneQ/CUcJK2Tayz9hlhDRXzFr+BWzH7qYPf4f07cfEw=="
)
