"""One lock for all invitation codes: many are restored, or created, in one transaction."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TRIGGER client_invitation_code_unique ON client;
        DROP TRIGGER client_invitation_code_unique_update ON client;
        DROP TRIGGER campaign_code_unique ON campaign;

        -- A code belongs to one client, former client or campaign. The indexes keep it unique in
        -- each table. This trigger looks into the other tables once the index has the code: so who
        -- takes the code that a client is replacing waits for that, and then finds it retired.
        -- Campaigns share no index with clients. So they take the lock alone, and clients share it.
        -- A lock of each code would need more memory than PostgreSQL has for locks.
        CREATE OR REPLACE FUNCTION invitation_code_unique() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            is_campaign boolean := TG_ARGV[0] = 'campaign';
            wanted text := coalesce(to_jsonb(NEW) ->> 'invitation_code', to_jsonb(NEW) ->> 'code');
        BEGIN
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            IF is_campaign THEN
                PERFORM pg_advisory_xact_lock(hashtext('connect_hub.invitation_code'));
            ELSE
                PERFORM pg_advisory_xact_lock_shared(hashtext('connect_hub.invitation_code'));
            END IF;
            IF EXISTS (
                SELECT FROM retired_code WHERE code = wanted
                UNION ALL SELECT FROM campaign WHERE code = wanted AND NOT is_campaign
                UNION ALL SELECT FROM client WHERE invitation_code = wanted AND is_campaign
            ) THEN
                RAISE EXCEPTION 'the invitation code is taken'
                    USING ERRCODE = 'unique_violation', CONSTRAINT = 'client_invitation_code_key';
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER client_invitation_code_unique AFTER INSERT ON client
            FOR EACH ROW EXECUTE FUNCTION invitation_code_unique('client');
        CREATE TRIGGER client_invitation_code_unique_update
            AFTER UPDATE OF invitation_code ON client
            FOR EACH ROW WHEN (OLD.invitation_code <> NEW.invitation_code)
            EXECUTE FUNCTION invitation_code_unique('client');
        CREATE TRIGGER campaign_code_unique AFTER INSERT ON campaign
            FOR EACH ROW EXECUTE FUNCTION invitation_code_unique('campaign');

        CREATE OR REPLACE FUNCTION invitation_code_retired() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM set_config('search_path', format('%I, pg_temp', TG_TABLE_SCHEMA), true);
            INSERT INTO retired_code (code, client_id, retired_at)
                VALUES (OLD.invitation_code, OLD.id, now());
            UPDATE client SET applied_invitation_code = OLD.invitation_code
                WHERE inviter_id = OLD.id AND applied_invitation_code IS NULL;
            RETURN NULL;
        END $$;
    """


async def downgrade(db: BaseDBAsyncClient) -> str:
    return "SELECT;"  # the release before works with these triggers too


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
