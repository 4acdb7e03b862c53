local mime = require("mime")
local support = require("spec.support")

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

    it("that ended in any other way meanwhile, or hold more than an answer, cost no retry, and no answer is mixed up",
        function()
            local head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n"
            local answer = head .. "\r\n" .. LIST.body
            local created = { body = '{"mirrorId":"11111111-0000-4000-8000-000000000001"}' }
            for name, bytes in pairs {
                silent = answer, told = head .. "Connection: close\r\n\r\n" .. LIST.body,
                timed_out = answer .. "HTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n",
                another = answer .. head .. "\r\n" .. LIST.body, junk = answer .. "junk\r\n",
                early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" .. answer,
                of_old = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" .. LIST.body,
            } do
                local server = support.server { { raw = bytes }, created }
                local api = support.connect(server, { retries = 0 })
                api:list()
                support.eventually("the connection is closed", function()
                    for _, event in ipairs(server:events()) do
                        if event.kind == "close" then return true end
                    end
                end)
                local done, id = pcall(api.create, api, { sourceType = "instaclustr", kafkaSource = support.us_east,
                    sourceAlias = "a", topicsRegex = "x", useRenaming = false, maxTasks = 1 })
                server:stop()
                assert.is_true(done, name .. ": " .. tostring(id))
                local methods = {}
                for i, request in ipairs(server:requests()) do methods[i] = request.method end
                assert.are.same({ name, "11111111-0000-4000-8000-000000000001", "GET POST" },
                    { name, id, table.concat(methods, " ") })
            end
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
        assert.is_nil(request.headers.authorization)
        assert.matches("^kmirror/", request.headers["user-agent"])
    end)

    it("carry the user's name and key as they are, byte by byte", function()
        local pairs_of = { { "a", "b" }, { "a", "bc" }, { "a", "bcd" }, { "ä", "~~~?>:k" },
            { ("u"):rep(300), ("k"):rep(700) } }
        local server = support.server { LIST }
        for _, pair in ipairs(pairs_of) do
            support.connect(server, { username = pair[1], api_key = pair[2] }):list()
        end
        server:stop()
        for i, pair in ipairs(pairs_of) do
            local told = server:requests()[i].headers.authorization
            assert.are.equal(pair[1] .. ":" .. pair[2], (mime.unb64(told:match("^Basic (.*)$"))))
        end
    end)
end)

describe("a proxy of the environment", function()
    local function run(variables, command)
        local env = {
            KMIRROR_ENDPOINT = "https://api.example.org", KMIRROR_CLUSTER = support.cluster, KMIRROR_USERNAME = "user",
            KMIRROR_API_KEY = "s3cret-key",
        }
        for name, value in pairs(variables) do env[name] = value end
        return support.run { command or "list", env = env }
    end

    -- Each holds `hunter2`, in a place where it is, or is taken for, a part of a user's name or password.
    local unusable = {
        "http://user:hunter2@@proxy.invalid:3128", "http://user:p@hunter2@proxy.invalid:3128",
        "http://user:12#hunter2@proxy.invalid:3128", "http://hunter2:12/x@proxy.invalid:3128",
        "http://user:hunter2?x@proxy.invalid:3128", "ftp://user:hunter2@proxy.invalid:3128",
        "user:hunter2@proxy.invalid:port", "http://user:hunter 2@proxy.invalid", "hunter2://proxy.invalid",
        "http://user:hunter2@:3128/x", "http://user:hunter2@proxy.invalid:3128/path", "http://hunter2:99999",
        "http://user:%00hunter2@proxy.invalid:3128", "http://hunter2%0A:x@proxy.invalid:3128",
    }

    it("that is no URL of one is refused as configuration by its variable, and no part of it is told", function()
        for i, url in ipairs(unusable) do
            local name = ({ "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" })[i % 4 + 1]
            local result = run { [name] = url }
            local told = result.stdout .. result.stderr
            assert.are.equal(2, result.status, told)
            assert.matches(name .. " must be the URL of a proxy", told, 1, true)
            assert.is_nil(told:find("hunter", 1, true), told)
            assert.is_nil(told:find("invalid:3128", 1, true), told)
        end
    end)

    it("that is no URL of one does not matter where no_proxy names the endpoint, or it is this machine", function()
        local server = support.server { LIST }
        local bad = unusable[1]
        assert.are.equal(0, run { https_proxy = bad, KMIRROR_ENDPOINT = server.url }.status)
        server:stop()
        local result = run({ https_proxy = bad, no_proxy = "localhost, .example.org" }, "doctor")
        assert.is_nil(result.stdout:find("proxy", 1, true), result.stdout)
    end)

    it("that is no URL of one is refused as an option, and not shown", function()
        for _, url in ipairs(unusable) do
            local problem = support.raises("invalid", support.connect, { url = "https://localhost" }, { proxy = url })
            assert.matches("proxy must be the URL of a proxy", problem.message, 1, true)
            assert.is_nil(problem.message:find("hunter", 1, true), problem.message)
        end
    end)

    it("is where no dump of an api shows it", function()
        local api = support.connect({ url = "https://api.example.org" }, { proxy = "http://user:hunter2@127.0.0.1:9" })
        local seen, said = {}, {}
        local function dump(value)
            said[#said + 1] = tostring(value)
            if type(value) ~= "table" or seen[value] then return end
            seen[value] = true
            for name, each in pairs(value) do
                dump(name)
                dump(each)
            end
        end
        dump(api)
        local all = table.concat(said, "\n")
        assert.is_truthy(all:find("https://api.example.org", 1, true)) -- it comes by the options
        assert.is_nil(all:find("hunter2", 1, true))
        assert.is_nil(all:find("s3cret-key", 1, true))
    end)

    it("with a user and an escaped password is used", function()
        local proxy = support.server { { status = 200, hang = true } }
        local url = proxy.url:gsub("//", "//user:p%%40ss%%2F@")
        support.raises("timeout", list, support.connect({ url = "https://api.example.org" },
            { proxy = url, timeout = 0.3 }))
        proxy:stop()
        assert.are.equal("Basic dXNlcjpwQHNzLw==", proxy:requests()[1].headers["proxy-authorization"])
    end)

    it("that wants a password, or refuses the endpoint, is asked once, and is what the error names", function()
        for status, words in pairs {
            [407] = "the proxy wants another user name and password (407)",
            [403] = "the proxy does not connect to https://api.example.org: it answers with 403",
            [404] = "the proxy does not connect to https://api.example.org: it answers with 404",
        } do
            local proxy = support.server { { status = status, body = "<html>no</html>", keep = false } }
            local result = run { https_proxy = proxy.url }
            proxy:stop()
            assert.are.equal(1, result.status)
            assert.matches(words, result.stderr, 1, true)
            assert.is_nil(result.stderr:find("endpoint", 1, true), result.stderr)
            assert.are.equal(1, #proxy:requests())
        end
    end)

    it("of SOCKS that takes nobody in is asked once, and is what the error names", function()
        local proxy = support.server { { raw = "\5\255", close = "before" } }
        local result = run { https_proxy = proxy.url:gsub("^http", "socks5h") }
        proxy:stop()
        assert.matches("the proxy refuses: No authentication method was acceptable", result.stderr, 1, true)
        assert.are.equal(1, proxy:connections())
    end)

    it("that is in trouble itself is tried again", function()
        local proxy = support.server { { status = 503, keep = false }, { status = 403, keep = false } }
        local result = run { https_proxy = proxy.url }
        proxy:stop()
        assert.matches("it answers with 503", result.stderr, 1, true)
        assert.are.equal(2, #proxy:requests())
    end)

    it("that cannot be reached is what the error names", function()
        local proxy = support.server { LIST }
        proxy:stop()
        local problem = support.raises("transport", list, support.connect({ url = "https://api.example.org" },
            { proxy = proxy.url }))
        assert.matches("is the proxy of the option proxy right", problem.message, 1, true)
    end)
end)

describe("an endpoint that is refused", function()
    local function refusal(url)
        return support.raises("invalid", support.connect, { url = url }).message
    end

    it("is shown when it is a plain URL", function()
        for _, url in ipairs { "http://example.org", "ftp://example.org:21/x", "http://10.0.0.1:8080/v1", "host" } do
            assert.matches("got '" .. url .. "'", refusal(url), 1, true)
        end
    end)

    it("is not shown when it may hold a password, wherever in it", function()
        for _, url in ipairs { "https://user:hunter2@host", "https://user:hunter2", "https://user:12#hunter2@host",
            "https://user:12hunter2", "https://host?key=hunter2", "ftp://user:hunter2/x", "https://u:1/p@hunter2" } do
            assert.is_nil(refusal(url):find("hunter2", 1, true), url)
        end
    end)

end)

describe("too few file descriptors", function()
    it("are named, and nothing is tried again", function()
        local server = support.server { LIST }
        local script = support.temporary("hold.lua", [[
            local api, held = require "mirrors".connect {}, {}
            for i = 1, 100 do held[i] = io.open "/dev/null" end
            print(pcall(api.list, api))
        ]])
        local result = support.run {
            command = "sh", "-c", "ulimit -n 40; exec \"$0\" run \"$1\"", support.executable, script,
            env = { KMIRROR_ENDPOINT = server.url, KMIRROR_CLUSTER = support.cluster, KMIRROR_USERNAME = "user",
                KMIRROR_API_KEY = "s3cret-key" },
        }
        server:stop()
        assert.matches("too few file descriptors: this process may have 40", result.stdout, 1, true)
        assert.is_nil(result.stdout:find("endpoint", 1, true), result.stdout)
        assert.is_nil(result.stderr:find("trying again", 1, true), result.stderr)
    end)

    it("for `concurrency` make it lower", function()
        local server = support.server { { body = '{"mirrors":[]}', wait = 0.02 } }
        local script = support.temporary("lists.lua", [[
            local mirrors, task = require "mirrors", require "task"
            local api = mirrors.connect { rate = 0, concurrency = 64, retries = 0 }
            local g <close> = task.group()
            for i = 1, 60 do g:spawn(api.list, api) end]])
        local result = support.run {
            command = "sh", "-c", "ulimit -n 24; exec \"$0\" run \"$1\"", support.executable, script,
            env = { KMIRROR_ENDPOINT = server.url, KMIRROR_CLUSTER = support.cluster, KMIRROR_USERNAME = "user",
                KMIRROR_API_KEY = "s3cret-key" },
        }
        server:stop()
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(60, #server:requests())
        assert.are.equal(8, server:connections())
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

    it("trusts whom the environment names, as curl does", function()
        local server = support.server { LIST, tls = certificates.good }
        local folder = support.temporary_directory("certificates")
        assert(os.execute(("cp %s %s/ca.pem && openssl rehash %s"):format(certificates.ca, folder, folder)))
        local function status(variables)
            variables.KMIRROR_ENDPOINT, variables.KMIRROR_CLUSTER = server.url, support.cluster
            variables.KMIRROR_USERNAME, variables.KMIRROR_API_KEY = "user", "s3cret-key"
            return support.run { "list", env = variables }.status
        end
        local junk = support.temporary("junk.pem", "not a certificate\n")
        assert.are.equal(0, status { SSL_CERT_FILE = certificates.ca })
        assert.are.equal(0, status { CURL_CA_BUNDLE = certificates.ca })
        assert.are.equal(0, status { SSL_CERT_DIR = folder })
        assert.are.equal(0, status { CURL_CA_BUNDLE = certificates.ca, SSL_CERT_FILE = junk })
        assert.are.equal(1, status { SSL_CERT_FILE = junk })
        assert.are.equal(1, status {})
        server:stop()
    end)

    it("is refused when a file that the environment names cannot be read, by the variable's name", function()
        local folder = support.temporary_directory("ca")
        for name, path in pairs { SSL_CERT_FILE = "/nowhere/ca.pem", CURL_CA_BUNDLE = folder } do
            local result = support.run {
                "list",
                env = { KMIRROR_ENDPOINT = "https://localhost:1", KMIRROR_CLUSTER = support.cluster,
                    KMIRROR_USERNAME = "user", KMIRROR_API_KEY = "s3cret-key", [name] = path },
            }
            assert.are.equal(2, result.status)
            assert.matches(name .. " must be the name of a readable file with CA certificates: " .. path,
                result.stderr, 1, true)
        end
        support.raises("invalid", support.connect, { url = "https://localhost" }, { ca_file = folder })
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
