local support = require "spec.support"

local LIST = { body = '{"mirrors":[]}' }

local function list(api) return api:list() end

describe("connections", function()
    it("are kept and used again", function()
        local server = support.server { LIST }
        local api = support.connect(server)
        for _ = 1, 5 do api:list() end
        server:stop()
        assert.are.equal(5, #server:requests())
        assert.are.equal(1, server:connections())
    end)

    it("are used again after an answer that is an error", function()
        local gone, broken = { status = 404, body = "{}" }, { status = 500, body = "<html>" }
        local server = support.server { gone, broken, LIST }
        local api = support.connect(server)
        support.raises("not_found", list, api)
        support.raises("server", list, api)
        api:list()
        server:stop()
        assert.are.equal(1, server:connections())
    end)

    it("never carry the credentials of one api with the requests of another", function()
        local server = support.server { LIST }
        support.connect(server, { username = "a", api_key = "1" }):list()
        support.connect(server, { username = "b", api_key = "2" }):list()
        server:stop()
        local requests = server:requests()
        assert.are.equal("Basic YTox", requests[1].headers.authorization)
        assert.are.equal("Basic Yjoy", requests[2].headers.authorization)
    end)

    it("that the server closed meanwhile are made anew, and no request is lost or doubled by that", function()
        local server = support.server { { body = LIST.body, keep = false }, LIST }
        local api = support.connect(server)
        api:list()
        support.sleep(0.05)
        api:list()
        server:stop()
        assert.are.equal(2, #server:requests())
        assert.are.equal(2, server:connections())
    end)

    it("speak HTTP/1.1 to a server that offers HTTP/2, too: by that, requests are lost as connections end", function()
        local certificates = support.certificates()
        local server = support.server { LIST, tls = certificates.good, protocols = { "h2", "http/1.1" } }
        support.connect(server, { ca_file = certificates.ca }):list()
        server:stop()
        assert.are.equal(1, #server:requests())
        assert.are.equal("http/1.1", server:negotiated())
    end)

    it("go straight to a loopback address, whatever proxy the environment names", function()
        local server, proxy = support.server { LIST }, support.server { LIST }
        local script = support.temporary("list.lua", 'print(#require "mirrors".connect{}:list())')
        local result = support.run {
            "run", script,
            env = {
                KMIRROR_ENDPOINT = server.url, KMIRROR_CLUSTER = support.cluster, KMIRROR_USERNAME = "user",
                KMIRROR_API_KEY = "s3cret-key",
                http_proxy = proxy.url, https_proxy = proxy.url, ALL_PROXY = proxy.url,
            },
        }
        server:stop()
        proxy:stop()
        assert.are.equal("0\n", result.stdout, result.stderr)
        assert.are.equal(0, proxy:connections())
    end)

    it("to an https address go by CONNECT through the environment's proxy, which is told no key", function()
        local proxy = support.server { { status = 502, body = "no" } }
        local script = support.temporary("list.lua", 'require "mirrors".connect{ retries = 0 }:list()')
        local result = support.run {
            "run", script,
            env = {
                KMIRROR_ENDPOINT = "https://api.example.org", KMIRROR_CLUSTER = support.cluster,
                KMIRROR_USERNAME = "user", KMIRROR_API_KEY = "s3cret-key", https_proxy = proxy.url,
            },
        }
        proxy:stop()
        assert.are.equal(1, result.status)
        local request = proxy:requests()[1]
        assert.are.equal("CONNECT api.example.org:443", request.method .. " " .. request.target)
        assert.is_nil(request.raw:find("dXNlcjpzM2NyZXQta2V5", 1, true))
    end)
end)

describe("a request", function()
    local function list_in(url, network, options)
        local script = support.temporary("list.lua", ('print(#require "mirrors".connect{ %s }:list())'):format(options))
        local env = support.preload("bad_network", network)
        env.KMIRROR_ENDPOINT, env.KMIRROR_CLUSTER = url, support.cluster
        env.KMIRROR_USERNAME, env.KMIRROR_API_KEY = "user", "s3cret-key"
        return support.run { "run", script, env = env, timeout = 10 }
    end

    it("whose first bytes cannot be sent, as the connection was reset, fails at once and is retried", function()
        local server = support.server { LIST }
        local result = list_in(server.url, { BAD_SENDS = "1" }, "backoff = 0.001, timeout = 5")
        server:stop()
        assert.are.equal("0\n", result.stdout, result.stderr)
        assert.are.equal(1, #server:requests())
    end)

    it("ends in time while its host's name is looked up in vain, and does not wait for the end of that", function()
        local began = support.now()
        local result = list_in("https://api.example.org", { BAD_NAMES = "8" }, "timeout = 0.3, retries = 1")
        assert.are.equal(1, result.status, result.stderr)
        assert.matches("no connection within 0.3 s", result.stderr, 1, true)
        assert.is_true(support.now() - began < 5)
    end)

    it("that gets no answer says for how long it waited", function()
        local server = support.server { { hang = true } }
        local problem = support.raises("timeout", list, support.connect(server, { timeout = 0.1 }))
        server:stop()
        assert.matches("no complete answer within 0.1 s", problem.message, 1, true)
    end)
end)

describe("TLS", function()
    local certificates
    setup(function() certificates = support.certificates() end)

    local function meet(certificate, options)
        local server = support.server { LIST, tls = certificate }
        local ok, outcome = pcall(list, support.connect(server, options))
        server:stop()
        return ok, outcome, server
    end

    local function refused(certificate, naming, options)
        local ok, problem, server = meet(certificate, options)
        assert.is_false(ok)
        assert.are.equal("tls", problem.kind, tostring(problem))
        assert.truthy(tostring(problem):find(naming, 1, true), tostring(problem))
        assert.are.equal(0, #server:requests()) -- the credentials did not leave
    end

    it("to a server with a certificate of the given authority works, by name and by address", function()
        local ok, problem = meet(certificates.good, { ca_file = certificates.ca })
        assert.is_true(ok, tostring(problem))
        local server = support.server { LIST, tls = certificates.good }
        support.connect({ url = "https://127.0.0.1:" .. server.port }, { ca_file = certificates.ca }):list()
        server:stop()
    end)

    it("is refused when the certificate has expired", function()
        refused(certificates.expired, "expired", { ca_file = certificates.ca })
    end)

    it("is refused when the certificate is for another host", function()
        refused(certificates.wrong_host, "localhost", { ca_file = certificates.ca })
    end)

    it("is refused when another authority signed the certificate", function()
        refused(certificates.unknown, "certificate", { ca_file = certificates.ca })
    end)

    it("is refused when only the system's authorities are trusted", function()
        refused(certificates.good, "certificate")
    end)

    it("is refused when the authority's file is missing or holds none, which is said", function()
        local problem = support.raises("invalid", support.connect, { url = "https://localhost" },
            { ca_file = "/nowhere/ca.pem" })
        assert.truthy(tostring(problem):find("/nowhere/ca.pem", 1, true))
        local junk = support.temporary("junk.pem", "not a certificate\n")
        refused(certificates.good, junk, { ca_file = junk })
    end)

    it("with a client certificate works where the server asks for one, and is refused without", function()
        local asking = {
            certificate = certificates.good.certificate, key = certificates.good.key,
            client_ca = certificates.ca,
        }
        local ok, problem = meet(asking, {
            ca_file = certificates.ca,
            cert_file = certificates.client.certificate, key_file = certificates.client.key,
        })
        assert.is_true(ok, tostring(problem))
        ok, problem = meet(asking, { ca_file = certificates.ca })
        assert.is_false(ok)
        -- With TLS 1.3 the server says so after the handshake, and may be gone before that is read.
        assert.truthy(problem.kind == "tls" or problem.kind == "transport", tostring(problem))
    end)

    it("to a port that speaks plain HTTP is a tls error", function()
        local server = support.server { { raw = "HTTP/1.1 400 Bad Request\r\n\r\n", close = "before" } }
        local problem = support.raises("tls", list,
            support.connect({ url = "https://127.0.0.1:" .. server.port }, { ca_file = certificates.ca }))
        assert.truthy(tostring(problem))
        server:stop()
    end)

    it("hold their key where no dump of an api shows it", function()
        local function holds(value, seen)
            if value == "s3cret-key" then return true end
            if type(value) ~= "table" or seen[value] then return false end
            seen[value] = true
            for key, inner in pairs(value) do
                if holds(key, seen) or holds(inner, seen) then return true end
            end
            return holds(getmetatable(value), seen)
        end
        assert.is_false(holds(support.connect { url = "http://127.0.0.1:9" }, {}))
    end)

    it("that are given less than a millisecond time out", function()
        local server = support.server { { hang = true } }
        support.raises("timeout", list, support.connect(server, { timeout = 0.0001 }))
        server:stop()
    end)
end)
