local postgres = require("spec.support.postgres")
local support = require("spec.support")

-- What libpq's sslmode says in the URL holds for all that is kept in PostgreSQL.
describe("a store over TLS", function()
    local certificates, server

    setup(function()
        certificates = support.certificates()
        server = postgres.start { tls = certificates.good }
        server:sql("CREATE ROLE over_tls LOGIN PASSWORD 's3cret'")
    end)
    teardown(function() server:stop() end)

    local function serve(pair)
        server:use_certificate(pair)
        server:restart()
    end

    local function url(settings)
        return ("postgresql://over_tls@localhost:%d/postgres?sslmode=%s"):format(server.port, settings)
    end

    local function verified(ca)
        return url("verify-full&sslrootcert=" .. ca)
    end

    local function status(store)
        return support.run { "store", "status", env = { KMIRROR_STORE = store, PGPASSWORD = "s3cret" } }
    end

    it("is reached where its certificate is signed for its name", function()
        serve(certificates.good)
        assert.matches("PostgreSQL .* as over_tls; it has no schema", status(verified(certificates.ca)).stdout)
        assert.matches("PostgreSQL .* as over_tls; it has no schema", status(url "require").stdout)
    end)

    it("is refused with another's certificate, one for another name, and one that has expired", function()
        for name, said in pairs {
            unknown = "certificate verify failed", expired = "certificate verify failed",
            wrong_host = 'server certificate for "example.org" does not match host name "localhost"',
        } do
            serve(certificates[name])
            local store = verified(certificates.ca)
            local refused = status(store)
            assert.are.equal(2, refused.status, refused.stdout)
            assert.is_truthy(refused.stderr:find(said, 1, true), refused.stderr)
            assert.matches("check sslmode and sslrootcert", refused.stderr)
            assert.is_nil(refused.stderr:find("s3cret", 1, true))
        end
    end)

    it("is not asked in plain text where the URL wants TLS, be it by a server without it", function()
        server:use_certificate(nil)
        server:restart()
        for _, store in ipairs { verified(certificates.ca), url "require" } do
            local refused = status(store)
            assert.are.equal(2, refused.status)
            assert.matches("server does not support SSL, but SSL was required; turn on SSL at the server",
                refused.stderr)
        end
    end)

    it("keeps to it when it connects anew in the middle of a job, and waits rather than trust another", function()
        serve(certificates.good)
        local store = verified(certificates.ca)
        server:sql("GRANT CREATE ON DATABASE postgres TO over_tls")
        local sandbox = support.sandbox { world = 0, rate = 0, creating_seconds = 0, sync_seconds = 0 }
        local env = sandbox:env()
        env.KMIRROR_STORE, env.PGPASSWORD, env.KMIRROR_LEASE = store, "s3cret", "2"
        assert.are.equal(0, support.run({ "store", "init", env = env }).status)
        local job = support.start { "--rate", "0", "--job", "j", "run", env = env, support.temporary("runbook.lua", [[
            local api = require("mirrors").connect {}
            for i = 1, 10 do
                api:create { sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001",
                    sourceAlias = "us-west", topicsRegex = "t" .. i, useRenaming = false, usePrivateIps = false,
                    maxTasks = 1 }
                require("task").sleep(0.4)
            end]]) }
        support.eventually("some creates", function() return #sandbox:requests() >= 3 end)
        serve(certificates.unknown)
        support.eventually("the refusal", function()
            return job:stderr():find("certificate verify failed[^\n]*; check sslmode and sslrootcert\n")
        end)
        serve(certificates.good)
        local result = job:wait(30)
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(10, sandbox:asked "create")
        assert.is_nil(result.stderr:find("s3cret", 1, true))
        assert.is_nil(server:sql("SELECT settings FROM kmirror.runs"):find("s3cret", 1, true))
        sandbox:stop()
    end)
end)
