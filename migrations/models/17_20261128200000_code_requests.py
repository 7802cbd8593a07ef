"""Codes that are bound to the request that asked for them."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        ALTER TABLE "sign_in_code"
            ALTER "phone" TYPE VARCHAR(64),
            ADD "guess_limit" BYTEA,
            ADD "guess_hits" TIMESTAMPTZ[];

        -- By hand.

        CREATE INDEX sign_in_code_of_phone ON sign_in_code (split_part(phone, ' ', 1));

        -- Consumes up to so many hits of a rate limit in advance, as many as there is room for, and
        -- returns their times. A hit is used within the lifetime, so it counts from the end of it.
        -- The first statement locks the row, and the second one sees all that was committed before.
        CREATE FUNCTION reserve_hits(
            hit_limit bytea, wanted int, lifetime interval, counts int[], periods interval[]
        ) RETURNS timestamptz[] LANGUAGE sql VOLATILE
        BEGIN ATOMIC
            INSERT INTO allowance (key, uses, expires_at) VALUES (hit_limit, '{}', now())
                ON CONFLICT (key) DO UPDATE SET uses = allowance.uses;
            UPDATE allowance SET
                uses = (uses || hits)[greatest(cardinality(uses || hits) + 1 - max_count, 1) :],
                expires_at = greatest(expires_at, hits[cardinality(hits)] + max_period)
            FROM (
                SELECT max_count, max_period, ARRAY(
                    SELECT first + n * interval '1 microsecond' FROM generate_series(1, room) AS n
                ) AS hits
                FROM (
                    SELECT max(count) AS max_count, max(period) AS max_period,
                        least(wanted, min(count - (
                            SELECT count(*) FROM unnest(uses) AS at
                            WHERE at > clock_timestamp() - period
                        ))) AS room,
                        greatest(clock_timestamp() + lifetime, uses[cardinality(uses)]) AS first
                    FROM allowance, unnest(counts, periods) AS rate (count, period)
                    WHERE key = hit_limit GROUP BY uses
                ) AS free
            ) AS reserved
            WHERE key = hit_limit RETURNING hits;
        END;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP FUNCTION reserve_hits(bytea, int, interval, int[], interval[]);
        DROP INDEX sign_in_code_of_phone;
        DELETE FROM "sign_in_code" WHERE "phone" LIKE '% %';
        ALTER TABLE "sign_in_code"
            ALTER "phone" TYPE VARCHAR(16),
            DROP COLUMN "guess_limit",
            DROP COLUMN "guess_hits";
    """


MODELS_STATE = (
    "eJztXW1v2zgS/iuEv1wPyBWJ7Ta57eEAJ3W3vrbJIXGvu1sUAi3RNi8y6ZWouEav//1ISrLeZUlW"
    "UlrllzYmOZT0DKmZeTikvvVW1EK2+3xk23QDiYl6v4BvPQJX4o9s5QnowfU6qhIFDM5s2Romms1c"
    "5kCT8Yo5tF3Eiyzkmg5eM0yJaD5dIuC5yAV0DihBwIEMARuvMAOzrSxxvdl/kclO+B/mEkAXMC6y"
    "cShZgIWHXCE7pw6AYL3kzZ+Ly1rU5NfFZPFoV/AI/tNDBqMLxBs7/Dqfv/BiTCz0Fbni5+ce+rrG"
    "DnINyHpfROX63phjZFsJcO/RVvQnKwy2XcvCS0ygs30jG4vHmRkmtb0ViQmst4zfzE5itmVI6mGB"
    "CBJPaMUgJ55tB+oJi/z75wXM8dDuxq2owEJz6NlCcULav4morGcY1zdT4248NYxeRqmhREwLQZFJ"
    "iRgQmDCB0bfvfr/Rw8vSnoTg/c2l6Hnlun/aouA/o9vLyfXo9vdnH0a//VVWbYOq9zfXv4bt19Rl"
    "C0d21Lv8fToe9b7Lq0AG/etI5UT4i5GRVcDIcWAB/qFASgE2dlkT/MOCSAHRRPmxGphOPozvpqMP"
    "/57+8fmLRDFCzUFzjoNleIRhOwvfaw4AwyuUj2BGOAWlFUg/D/+ogGswao8J1sTofj2ajkVNPzGw"
    "w9JnL+WAp/xV6r9kd52AT5PpWyB+gj9ursfpGRDTYU/cE/QYNQjdGNCKYxIWh0UJXcdeYzUVnZRs"
    "QcvHOHtUVrOwSvP72HtRFMygeb+BjmVkamifFrXNVq36q3QJJHAhlSTQFPcZeBZXcLWGeEHyvI5d"
    "XanTYcZb7fU5RgRg8oAZFAXA5N0J30AYfboWw486WS+iosx+v6DQE8BWdn59/Dh5nT+3/NapOeV5"
    "2HouZB7HE+j9Y+4RUwIgryT+Gf6z9/ST6+rt6PbZwJ8t8XkgH73c3gvNZXG+WkInH+ewfQppfqNH"
    "523xCfjVsBFZsCX/+bIEX+5rSYjT76ProKIvapIeQb4fNSGslhfFb/UIzQC/X/7f3/pnw/PhxeDl"
    "8II3kTe6KzkvAXtyPU1hKfRUE8+4SCNMFXOg2obUdJB49gZOTFJSOzHKOTGK+qqKTahOaZlD2GQq"
    "x+W0hlXWMKGslpcWtm/kpSmmx6Sb1j89reCo8VaFrpqs+65MrGdjRFgvL9Lza05K47yozf4oD/DA"
    "zOWxymZJgYMW2GXIQRbYYLYMuVx+d6sZygv3agrruE/xuE9qrM4rZSfQyjtFocDvrErkd1Yc+p1l"
    "Yr+IGDHqhtc5ojrSLo+0JWSN/J+kpPaAVPaAdMBaPLv4A1o3xN4GI/BI1B5MllKtc4cHNdN6UlLP"
    "bZXn9sym5n0jLScltZZV1jKPYni0YhkHeEclXXQv0m3ZTZL/18A6bN9BYIdVkB0WQzvMd0Edo2bo"
    "mpA6IIRVDO3mAWuGk8lAnMX3DXUQXpB3yM9PmvBbCbPtUpBmeJWjhDUqjW7RgZsdkZIaVvz5fVdI"
    "VN3yl/jt5Gra+15MdmUCqyzkl4Hgm3e3yJav4Z8H7VTaF8MOt0fCCOWsTtbB6dbv6iowZ0cWglRC"
    "y0Wuy/s9EKg7v5cugVSLX84SHyb1SI7nHIJ6Q9CU8n/2QzvxO7wK++vIjK3JyI8fCgh5v+KkjI9H"
    "DzXoeHMJyQIBtoQMOMhE+AE5Mit7g2ZLSu9dYCPoEF7yCvA+qMyugp6FGRAPaD8HEwaW0AWEFuV6"
    "P9ZFqqR7x3gXXvc5WKsIzFK8Uq8E/NCVAAlVjcAgbN8OL61UZDCssrY4LF5aHJ6mI4PEoK86khNC"
    "bQ5oNd7QjcZvjBPkAzmL5r/ubq4LmMCgfZodwiYD/wPd26cgkEhwQuH43G0UiQ3dq5xtIqKDS50v"
    "9lNydCajOTF2CSMXCnTQGlxUMAYXhbbgIm0KHMSf0c23BcUAJ6W6R8YN+hVQHvQLYRZVSZz5cOcz"
    "IifKLBnFkUj3EB4Oqjg1g2KnZpBG2EIP2KzlM0YS3cP3rF/Fa+StijNI+hm/UQSPOQhP0deChPed"
    "QBcALjOp49+m5d5NYhts2Dzt8tTK/0usR4sAGh/K9n3yg+/XfnfbIzSV7ZBZNamZBEGVw9CkCaxi"
    "oibDne0nbN7SDeB3tgV+eOaCYDUSwKDkL67cB+e+ApTYW44GXiwE2bJx+KUAZll6pp0uD8i1VCs8"
    "VXXv/UHb6/K5Wbwo3Lq0E+nSXrC/9/uDwXn/dPDy4sXw/PzFxeluB1O2qmwr0+XkV7GbKfFKz25v"
    "CrJ/6gEfE9LQ14L+oFz69Nsoq7RwBaPtBV4lX0B713cTr9/E8u7V6O5q9HqcWt09yOJey5T+S5Fm"
    "lWdw49Wl9tbfGmDMdi1rmFthAMEGOQi4/MEBo9w8yo7EMobfsQswAZCAJfWcE/6Hxf8KxKUgB3WO"
    "nRWyymxw69epskriYjGWi9dA1g6a4691Yq1IonOZ460wMsXG2tdFBupyfnMnpKlNpalNN9e0FDoD"
    "YfMueQLt7R4PX3M1AE3IaFRzUIU2FPg0WGNJSuo0aJXfQ1JXdY6yiAT0rGkj3mjPOY7n7OU4x6mU"
    "vmLnOJ5GWM05zjl9SWb4YOYGzJHM2XHQ2oYmsl7xCoBdQNADcvgfric4pgXXSaWDnQ7o+hBuSp9M"
    "1OJGgGKvNxx99c1OUlL7v0rbHbWoXnUV23yLQhF99Xg7FBSFtXUK68ksephcnmPNY3nnxZbcjTWq"
    "ciCHMKFgsxTUUbjkI4ypy4cLN6OYvJLpuA7dCAoKEiBP7AHBVUTLgLPOPbCj1c4rZfzG1WpDlxny"
    "XNswAbjS+c865/cplqUIzWW6ys7Z3om0ddK2Gu+q3IWOVs/ajlAPEApeEBXDv6SQDgFziJM1dHIN"
    "b3G2TCSh02WqpcskqVREGoQLMTFNUSkdKuhk759BzQkPraai07Ja1UqrWqFzYLWaH0/NOjH70ROz"
    "f8DuAtVmzGNvL9BMpWYqNVO5j6nkepqQoqXHWO1JKV/J2xmY1Fl5jC0JbqAbS5WTpwP8IjlFwTuF"
    "q4aCSDTpau3xsQHmDl2dBGuFoqHoK/fUgse4RmvfqHvis3OVXpts6SytYqryHm1rbpmMJDpoblve"
    "lKqJ4B9BBAfazMB+t4K2XcgER1JdYoEH/fOXOwJY/Cjjfu8+jN6/zxLAOrxtMrqPLrzlXSHSLFEl"
    "JqiVrLSShaZywuvyV+NOSL8ZU0uO/vea6+IZE9OIphDlT72BOR+pLl5tjIl0gWV76uVGORgN+YXy"
    "ep5qSrChv3o86D9a3oLEcYlZvS+DJ8WafR/8eMBPfx5ckRz19EkTOWRRzmEUxYxRcGykYcVbV8lX"
    "l0dj+oSNn2u2ppiER0vyMtNEa0HfbBF7JZPNRWJalIQGRNQpqB4ukJu03nb/ldii4CryfnjjXabb"
    "Q0Aayl/6rEtl8t7iCqtKJ8VlOkgotf/5K50+cpD9OJZADTKGVus8n6A8tojL6eAidW6Jb0RqTptI"
    "SufVqTxjdm5BDUsfl9HL2uXL2rvT1w9c1d4d9H6coO5d1I6PKZXWtINAZBw6XMWxyjjmk+2PVeIe"
    "3P5YZbpEgI8QhuS2GPDx9r049OXT+PLtzc07g/+8OwGbJTaXcjMNo+IzuDzIgCJyWGZDk8O7a/lb"
    "uiUfH21x0VShNeq2PNzisII6eIFzNnUUU4KRRCdCiqemBP1LZPAuIaN2Es14qCMDXDJQym3ZOCYQ"
    "j823DPi4pt9KTcjqKEJlTc8htvmzGo1OK8sIa12rrmvPqXUQeExELzbW9yzWUO5q8gjDdt3JlZbV"
    "c0vluWVhV4DcyGAmRbWeVdOzIouvI+TwwL6Xw2MENSdl9AWM2uwjLYoV2zJ5UMjq53IHOXx+MNDV"
    "pQ5aOZugmCoQn1/MPQCimJaJiXSCLEiyM/0XLyrQM7xVIT8j61K79PikqoFw0LyD6J6dVtoDeVqy"
    "B/I0+1FDSlgu0178Eb6YiP4OX83v8P1QY/b9/5WeAx0="
)
