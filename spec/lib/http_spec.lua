local support = require("spec.support")

-- Runs a runbook with the module as `http`, `mirrors`, and the server's URL as `base`.
local function run(server, script, options)
    options = options or {}
    table.move({ "run", "-", server and server.url or "" }, 1, 3, #options + 1, options)
    options.stdin = "local http, mirrors, task = require 'kmirror.http', require 'mirrors', require 'task'\n"
        .. "local base = ...\n" .. script
    options.env = options.env or {}
    options.env.KMIRROR_USERNAME, options.env.KMIRROR_API_KEY = "api-user", "api-secret-key"
    return support.run(options)
end

-- What a script that must not fail prints.
local function printed(server, script, options)
    local result = run(server, script, options)
    assert.are.equal(0, result.status, result.stderr)
    return result.stdout
end

-- The error object that a call raises, as "KIND: message".
local function problem(server, call, options)
    return printed(server, ([[
        local ok, problem = pcall(function() return %s end)
        print(not ok and problem.kind .. ": " .. tostring(problem) or "no error")]]):format(call), options)
end

local servers = {}

local function server(plan)
    servers[#servers + 1] = support.server(plan)
    return servers[#servers]
end

describe("kmirror.http", function()
    after_each(function()
        for _, each in ipairs(servers) do each:stop() end
        servers = {}
    end)

    it("gets an answer with its status, type and body, and reads its JSON", function()
        local here = server { { body = '{"count":3,"none":null}', type = "application/json; charset=utf-8" } }
        assert.are.equal("200\tapplication/json; charset=utf-8\t3\tnil\n", printed(here, [[
            local answer = http.get(base .. "/a%20b?c=d#part")
            print(answer.status, answer.type, answer:json().count, answer:json().none)]]))
        local request = here:requests()[1]
        assert.are.equal("GET /a%20b?c=d", request.method .. " " .. request.target)
        assert.are.equal("application/json", request.headers.accept)
        assert.are.equal("", request.body)
    end)

    it("posts a table as JSON, and a text as it is, with what headers name", function()
        local here = server { { status = 201, body = "made" } }
        assert.are.equal("201\tmade\n", printed(here, [[
            local answer = http.post(base .. "/things", { name = "é", count = 2 })
            http.post(base .. "/things", "a=b", { headers = { ["content-type"] = "text/plain", ["X-Team"] = "core" } })
            http.post(base)
            print(answer.status, answer.body)]]))
        local json, text, empty = table.unpack(here:requests())
        assert.are.equal('{"count":2,"name":"é"}', json.body)
        assert.are.equal("application/json", json.headers["content-type"])
        assert.are.equal("a=b", text.body)
        assert.are.equal("text/plain", text.headers["content-type"])
        assert.are.equal("core", text.headers["x-team"])
        assert.are.equal("/ 0", empty.target .. " " .. empty.headers["content-length"])
    end)

    it("never sends the credentials of the API, but those it is given", function()
        local here = server { { body = "" } }
        printed(here, [[
            http.get(base)
            http.get(base, { username = "me", password = mirrors.secret("pass") })
            http.get(base, { headers = { Authorization = mirrors.secret("Bearer token") } })]])
        local none, basic, bearer = table.unpack(here:requests())
        assert.is_nil(none.headers.authorization)
        assert.are.equal("Basic bWU6cGFzcw==", basic.headers.authorization)
        assert.are.equal("Bearer token", bearer.headers.authorization)
        for _, request in ipairs(here:requests()) do
            assert.is_nil(request.raw:find("api-", 1, true))
        end
    end)

    it("raises for an answer that is no success, by the kind of its status, unless any will do", function()
        local here = server { { status = 404, body = "no such\27 team\nmore" }, { status = 503, body = "<html>" },
            { status = 404, body = "gone" } }
        assert.are.equal("not_found: GET " .. here.url .. "/x: 404 Not Found: the answer is no success: "
            .. "no such\\u{1B} team\n", problem(here, [[http.get(base .. "/x?token=abc")]]))
        assert.are.equal("server: POST " .. here.url .. "/: 503 Service Unavailable: the answer is no success\n",
            problem(here, "http.post(base)"))
        assert.are.equal("404\tgone\n", printed(here, [[
            local answer = http.get(base, { any_status = true })
            print(answer.status, answer.body)]]))
    end)

    it("does not follow a redirect, and says where it leads to", function()
        local here = server { { status = 302, headers = { "Location: https://u:p@example.org/login?token=x" } } }
        assert.are.equal("protocol: GET " .. here.url .. "/: 302 protocol: the answer is a redirect to "
            .. "https://example.org/login, which is not followed\n", problem(here, "http.get(base)"))
        assert.are.equal(1, #here:requests())
    end)

    it("holds no more of an answer than it may", function()
        local here = server { { huge = 3 << 20 } }
        assert.matches("^protocol: .*larger than allowed", problem(here, "http.get(base)"))
        assert.are.equal("3145728\n", printed(here, "print(#http.get(base, { max_body = 4 << 20 }).body)"))
    end)

    it("ends in time, however slowly the answer comes", function()
        local here = server { { body = ("x"):rep(1000), drip = 100 } }
        local told = problem(here, "http.get(base, { timeout = 0.3 })")
        assert.matches("^timeout: .*no complete answer within 0.3 s", told)
    end)

    it("lets other tasks run while it waits, and ends when its task is cancelled", function()
        local here = server { { hang = true } }
        assert.are.equal("cancelled\ttrue\n", printed(here, [[
            local asking = task.spawn(function() http.get(base) end)
            task.sleep(0.05)
            local began = task.now()
            asking:cancel()
            local ok, problem = pcall(asking.join, asking)
            print(problem.kind, task.now() - began < 5)]]))
    end)

    it("verifies TLS, by the certificates that the environment names", function()
        local certificates = support.certificates()
        local here = server { { body = "safe" }, tls = certificates.good }
        assert.matches("^tls: ", problem(here, "http.get(base)"))
        assert.are.equal("safe\n", printed(here, "print(http.get(base).body)", {
            env = { SSL_CERT_FILE = certificates.ca },
        }))
        assert.are.equal(1, #here:requests())
    end)

    it("goes by the proxy of the environment, except on this machine", function()
        local proxy, here = server { { status = 403 } }, server { { body = "direct" } }
        local env = { https_proxy = proxy.url, http_proxy = proxy.url }
        assert.are.equal("direct\n", printed(here, "print(http.get(base).body)", { env = env }))
        assert.matches("^%a+: GET https://example.invalid/: ", problem(here, "http.get('https://example.invalid')",
            { env = env }))
        assert.are.equal("CONNECT example.invalid:443", proxy:requests()[1].raw:match("^%S+ %S+"))
        assert.is_nil(proxy:requests()[1].raw:find("api-", 1, true))
    end)

    it("sends nothing to a URL, with a header or an option that may not be", function()
        for _, call in ipairs {
            "http.get('http://example.com/')", "http.get('ftp://127.0.0.1/')", "http.get('https://user@127.0.0.1/')",
            "http.get('/path')", "http.get('')", "http.get(base .. '/a b')", "http.get(base .. '/\\r\\nX: y')",
            "http.get(base, { headers = { ['X-A\\n'] = 'b' } })",
            "http.get(base, { headers = { ['X-A'] = 'b\\nc: d' } })",
            "http.get(base, { headers = { Host = 'b' } })",
            "http.get(base, { headers = { ['Content-Length'] = '5' } })",
            "http.get(base, { timeout = 0 })", "http.get(base, { tiemout = 1 })", "http.get(base, { max_body = 0 })",
            "http.get('https:///127.0.0.1/')", "http.get((base:gsub('//', '///')))",
            "http.get(base, { username = 'a:b', password = 'c' })", "http.get(base, { username = 'a\\nb' })",
            "http.post(base, { f = print })", "http.post(base, (function() local t = {} t.t = t return t end)())",
            "http.get(7)", "http.post(base, 7)", "http.request('HEAD', base)",
        } do
            local here = servers[1] or server { { body = "" } }
            assert.matches("^invalid: ", problem(here, call), call)
        end
        assert.are.equal(0, #servers[1]:requests())
        assert.matches("Did you mean 'timeout'?", problem(servers[1], "http.get(base, { tiemout = 1 })"), 1, true)
    end)

    it("shows of a secret URL its host alone, and nothing secret that the server sends back", function()
        local here = server { { status = 400, body = "unknown: /services/T0/B0/Zx9, Bearer tok3n" } }
        assert.are.equal(("invalid: POST %s/…: 400 Bad Request: the answer is no success: unknown: /[hidden], "
            .. "[hidden]\n"):format(here.url), problem(here, [[http.post(mirrors.secret(base .. "/services/T0/B0/Zx9"),
            "", { headers = { Authorization = "Bearer tok3n" } })]]))
        local wrong = problem(here, [[http.get(mirrors.secret("http://example.com/services/Zx9"))]])
        assert.is_nil(wrong:find("Zx9", 1, true))
    end)

    it("tells nothing of a key, a password or a query that the server sends back", function()
        local answer = "no: bob s3same Ym9iOnMzc2FtZQ== k3y-1 t0ken-2 sig-3 b0dy-4 plain"
        local here = server { { status = 400, body = answer } }
        local told = problem(here, [[http.post(base .. "/a?token=t0ken-2", { deep = { mirrors.secret("b0dy-4") } }, {
            username = "bob", password = "s3same",
            headers = { ["X-Api-Key"] = "k3y-1", ["X-Signature"] = "sig-3" } })]])
        assert.matches("no: bob %[hidden%] %[hidden%] %[hidden%] %[hidden%] %[hidden%] %[hidden%] plain", told)
    end)

    it("sends a secret in a body as its text, and keeps what is an array an array", function()
        local here = server { { body = "" } }
        printed(here, [[
            http.post(base, { token = mirrors.secret("b0dy-4"), list = require("kmirror.json").array({}) })
            http.post(base, mirrors.secret("whole"))]])
        assert.are.equal('{"list":[],"token":"b0dy-4"}', here:requests()[1].body)
        assert.are.equal("whole", here:requests()[2].body)
    end)

    it("sends under --dry-run only what reads, and under --read-only refuses the rest", function()
        local here = server { { body = "{}" } }
        local script = [[
            http.get(base)
            http.post(base .. "/query", {}, { reads = true })
            local answer = http.post(base .. "/change", {})
            print(answer.planned, next(answer:json()))]]
        assert.are.equal(("would send POST %s/change\ntrue\tnil\n"):format(here.url), printed(here, script,
            { "--dry-run" }))
        local refused = run(here, script, { "--read-only" })
        assert.are.equal(1, refused.status)
        assert.matches("refused: --read-only allows no changes", refused.stderr, 1, true)
        assert.are.equal(4, #here:requests())
    end)

    it("waits as long as it takes where time jumps", function()
        local here = server { { body = "late", wait = 0.2 } }
        assert.are.equal("late\n", printed(here, "print(http.get(base).body)", { "--sandbox", "--jump" }))
    end)
end)
