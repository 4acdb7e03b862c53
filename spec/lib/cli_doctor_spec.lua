local cjson = require("cjson")
local support = require("spec.support")

-- What the doctor says of each check, by its name; and the whole result.
local function examined(options)
    table.insert(options, 1, "doctor")
    options[#options + 1] = "--json"
    local result = support.run(options)
    local by_check = {}
    for _, finding in ipairs(cjson.decode(result.stdout)) do by_check[finding.check] = finding end
    return by_check, result
end

local function is(state, found, finding)
    assert.is_truthy(finding, "not looked at")
    assert.are.equal(state, finding.state, finding.found)
    assert.is_truthy(finding.found:find(found), finding.found)
end

local LIST = { body = '{"mirrors":[]}' }

describe("kmirror doctor", function()
    local sandbox

    setup(function() sandbox = support.sandbox { rate = 0 } end)

    local function with(changes)
        local env = sandbox:env()
        for name, value in pairs(changes or {}) do env[name] = value end
        return { env = env }
    end

    it("is content with the sandbox, and says so of each thing", function()
        local found, result = examined { "--sandbox" }
        assert.are.equal(0, result.status)
        for _, check in ipairs { "configuration", "API key", "connection", "clock", "authentication", "permission",
            "rate", "store" } do
            assert.are.equal("ok", found[check] and found[check].state, check)
        end
        is("skip", "this machine", found.TLS)
    end)

    it("tells a full key from a read-only one, and changes nothing by it", function()
        local before = #sandbox:requests()
        is("ok", "full key", examined(with()).permission)
        is("warn", "read%-only key", examined(with { KMIRROR_API_KEY = "sandbox-read-only-key" }).permission)
        local statuses = {}
        for i, request in ipairs(sandbox:requests()) do
            if i > before and request.method ~= "GET" and request.method ~= "HEAD" then
                statuses[#statuses + 1] = request.status
            end
        end
        assert.are.same({ 404, 403 }, statuses)
    end)

    it("tells the rate that --rate auto, or a profile's, has found out", function()
        local home = support.temporary_directory("config")
        assert(os.execute("mkdir " .. home .. "/kmirror"))
        support.write(home .. "/kmirror/config.lua",
            "return { profile = 'p', profiles = { p = { rate = 'auto' } } }")
        is("ok", "%-%-rate auto: [34]%d a second, as far as it has found out", examined(with {
            XDG_CONFIG_HOME = home }).rate)
        is("ok", "our own limit is 35 a second", examined(with()).rate)
    end)

    it("asks for no change at all under --read-only, or with a read-only profile", function()
        local before = #sandbox:requests()
        local options = with()
        options[1] = "--read-only"
        is("skip", "not asked", examined(options).permission)
        local home = support.temporary_directory()
        assert(os.execute("mkdir " .. home .. "/kmirror"))
        support.write(home .. "/kmirror/config.lua",
            "return { profile = 'p', profiles = { p = { read_only = true } } }")
        is("skip", "not asked", examined(with { XDG_CONFIG_HOME = home }).permission)
        for i, request in ipairs(sandbox:requests()) do
            assert.is_true(i <= before or request.method == "GET" or request.method == "HEAD", request.method)
        end
    end)

    it("tells a wrong key, and a cluster that is none, from one another", function()
        local found, result = examined(with { KMIRROR_API_KEY = "wrong" })
        is("fail", "401", found.authentication)
        assert.is_truthy(found.authentication.remedy:find("provisioning", 1, true))
        assert.is_nil(found.permission)
        assert.are.equal(1, result.status)
        found = examined(with { KMIRROR_CLUSTER = "5a9b1c52-0000-4000-8000-000000000001" })
        is("fail", "404", found.authentication)
        assert.is_truthy(found.authentication.remedy:find("Connect", 1, true))
        found, result = examined(with { KMIRROR_CLUSTER = false })
        is("fail", "none is named", found.cluster)
        is("skip", "not asked", found.authentication)
        assert.are.equal(1, result.status)
    end)

    it("finds a key that others can read, and goes on to the network", function()
        local path = support.temporary("key", "sandbox-full-key\n")
        assert(os.execute("chmod 644 " .. path))
        local found, result = examined(with { KMIRROR_API_KEY = false, KMIRROR_API_KEY_FILE = path })
        is("fail", "can be read by others", found["API key"])
        assert.are.equal("chmod 600 " .. path, found["API key"].remedy)
        is("ok", "answered", found.connection)
        is("skip", "fix the failures above first", found.authentication)
        assert.are.equal(1, result.status)
        assert(os.execute("chmod 600 " .. path))
        is("ok", "only its owner", examined(with { KMIRROR_API_KEY = false, KMIRROR_API_KEY_FILE = path })["API key"])
    end)

    it("asks which versions of the API are answered, and says which one to take where it is the other", function()
        is("ok", "^v1 and v2 are answered; v1 is used", examined(with())["API version"])
        is("ok", "^v1 and v2 are answered; v2 is used", examined(with { KMIRROR_API = "v2" })["API version"])
        local html = { status = 404, body = "<html>nothing here</html>" }
        local list = { v1 = LIST, v2 = { body = '[{"mirrors":[]}]' } }
        for used, other in pairs { v1 = "v2", v2 = "v1" } do
            local function asked(first, second)
                local server = support.server { html, first, second, html }
                local found, result = examined(with { KMIRROR_ENDPOINT = server.url, KMIRROR_API = used })
                server:stop()
                return found, result
            end
            local found, result = asked(html, list[other])
            is("fail", ("^%s is not answered: .+, but %s is$"):format(used, other), found["API version"])
            assert.are.equal(("give --api %s, set KMIRROR_API=%s, or api = \"%s\" in the profile"):format(other, other,
                other), found["API version"].remedy)
            is("skip", "version has to be right first", found.authentication)
            assert.are.equal(1, result.status)
            found = asked(html, html)
            is("fail", ("and neither is %s$"):format(other), found["API version"])
            found = asked(list[used], { status = 410, body = "" })
            is("ok", ("^%s is answered and used; %s is not: 410$"):format(used, other), found["API version"])
            found = asked(list[used], { status = 401, body = "{}" })
            is("ok", "v1 and v2 are answered", found["API version"])
        end
    end)

    it("runs the command that gives the key once, and says when it gives none", function()
        local home = support.temporary_directory()
        assert(os.execute("mkdir " .. home .. "/kmirror"))
        local function examine(command)
            support.write(home .. "/kmirror/config.lua", ("return { profile = 'p', profiles = { p = { "
                .. "username = 'sandbox', endpoint = '%s', cluster = '%s', api_key_command = %q } } }"):format(
                sandbox.url, support.us_east, command))
            return examined { env = { XDG_CONFIG_HOME = home, XDG_STATE_HOME = home } }
        end
        local count = home .. "/count"
        is("ok", "its command gives one", examine("echo once >> " .. count .. "; echo sandbox-full-key")["API key"])
        assert.are.equal("once\n", support.read(count))
        local found = examine "false"
        is("fail", "api_key_command gave no key", found["API key"])
        is("skip", "fix the failures above first", found.authentication)
    end)

    it("says that no cluster is named where the profile has Kafka Connect clusters, but none to use", function()
        local home = support.temporary_directory()
        assert(os.execute("mkdir " .. home .. "/kmirror"))
        support.write(home .. "/kmirror/config.lua", ("return { profile = 'p', profiles = { p = { endpoint = '%s', "
            .. "username = 'sandbox', api_key_command = 'echo sandbox-full-key', clusters = { lab = { "
            .. "connect_url = 'http://127.0.0.1:1' } } } } }"):format(sandbox.url))
        local found = examined { env = { XDG_CONFIG_HOME = home, XDG_STATE_HOME = home } }
        is("fail", "none is named", found.cluster)
    end)

    it("goes on when the configuration is wrong", function()
        local home = support.temporary_directory()
        assert(os.execute("mkdir " .. home .. "/kmirror"))
        support.write(home .. "/kmirror/config.lua", "return { profiles = { p = { rate = 'fast' } } }")
        local found, result = examined(with { XDG_CONFIG_HOME = home })
        is("fail", "rate", found.configuration)
        is("ok", "answered", found.connection)
        assert.are.equal(1, result.status)
        is("fail", "unknown cluster 'nowhere'", examined(with { KMIRROR_CLUSTER = "nowhere" }).settings)
    end)

    it("finds a name without an address, and a port where nobody listens", function()
        local found = examined(with { KMIRROR_ENDPOINT = "https://kmirror.invalid" })
        is("fail", "kmirror%.invalid", found.DNS)
        assert.is_nil(found.connection)
        is("fail", "connect", examined(with { KMIRROR_ENDPOINT = "http://127.0.0.1:1" }).connection)
        is("skip", "not a URL", examined(with { KMIRROR_ENDPOINT = "http://example.org" }).connection)
    end)

    it("names a proxy that cannot be reached, or has no usable URL, and tells nothing of it", function()
        local env = { KMIRROR_ENDPOINT = "https://kmirror.invalid", https_proxy = "http://127.0.0.1:9" }
        is("fail", "connect", examined(with(env)).proxy)
        env.https_proxy = "http://user:p@hunter2@127.0.0.1:9"
        local found, result = examined(with(env))
        is("fail", "https_proxy must be the URL of a proxy", found.proxy)
        assert.is_nil((result.stdout .. result.stderr):find("hunter2", 1, true))
    end)

    it("names the variable of a CA file that cannot be read", function()
        local found = examined(with { KMIRROR_ENDPOINT = "https://kmirror.invalid", SSL_CERT_FILE = "/nowhere.pem" })
        is("fail", "SSL_CERT_FILE", found.TLS)
    end)

    it("names a 429 that asks all to wait, and does not wait itself", function()
        local server = support.server { { status = 404 }, { status = 429, headers = { "Retry-After: 3000" } } }
        local began = support.now()
        local found = examined(with { KMIRROR_ENDPOINT = server.url })
        is("fail", "it asks to wait 3000 s", found.rate)
        is("fail", "nothing may be sent for another %d%d s", examined(with { KMIRROR_ENDPOINT = server.url }).rate)
        assert.is_true(support.now() - began < 8)
        server:stop()
    end)

    it("names a quota file that cannot be used, and a place for it that cannot be made", function()
        local state = support.temporary_directory("state")
        assert.are.equal(0, support.run { "list", env = with({ XDG_STATE_HOME = state }).env }.status)
        local pipe <close> = assert(io.popen("ls -d " .. state .. "/kmirror/quota-*"))
        local path = pipe:read("l")
        assert(os.remove(path) and os.execute("mkdir " .. path))
        local found, result = examined(with { XDG_STATE_HOME = state })
        is("warn", path:gsub("%p", "%%%0") .. ": Is a directory", found["quota file"])
        assert.are.equal(0, result.status)
        local listed = support.run { "list", env = with({ XDG_STATE_HOME = support.temporary("state", "") }).env }
        assert.are.equal(0, listed.status)
        assert.matches("no place to share the quota in: .+; this process counts its requests alone", listed.stderr)
    end)

    it("finds a proxy that lets nothing through", function()
        local proxy = support.server { { status = 407, body = "" } }
        local found = examined(with { KMIRROR_ENDPOINT = "https://kmirror.invalid", https_proxy = proxy.url })
        is("fail", "407", found.proxy)
        assert.is_nil(found.TLS)
        assert.are.equal("CONNECT", proxy:requests()[1].method)
    end)

    it("finds a certificate that is not to be trusted, and one that expires soon", function()
        local certificates = support.certificates()
        local server = support.server { LIST, tls = certificates.good }
        local options = with { KMIRROR_ENDPOINT = server.url }
        is("fail", "certificate", examined(options).TLS)
        options = with { KMIRROR_ENDPOINT = server.url }
        table.move({ "--ca-file", certificates.ca }, 1, 2, 1, options)
        is("warn", "expires on %d%d%d%d%-%d%d%-%d%d", examined(options).TLS)
    end)

    it("compares the clock with the server's", function()
        local date = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() - 3600)
        local server = support.server { { body = LIST.body, headers = { "Date: " .. date } } }
        is("warn", "^3%d%d%d seconds ahead of the server", examined(with { KMIRROR_ENDPOINT = server.url }).clock)
    end)

    it("takes options before the command as it takes them behind it", function()
        for _, words in ipairs { { "--profile", "nope" }, { "--cluster", "5a9b1c52-0000-4000-8000-0000000000c1" },
            { "--endpoint", "http://127.0.0.1:9" }, { "--rate", "7" }, { "--ca-file", "/nowhere" },
            { "--api", "v2" } } do
            local options = with { KMIRROR_CLUSTER = support.us_east }
            local before = support.run { words[1], words[2], "doctor", env = options.env }
            local behind = support.run { "doctor", words[1], words[2], env = options.env }
            local function states(text) return (text:gsub("(\n?[^\t]*\t[^\t]*)[^\n]*", "%1")) end
            assert.are.equal(states(behind.stdout), states(before.stdout), words[1])
            assert.are.equal(behind.status, before.status)
        end
    end)

    it("blames and approves nothing that follows from a configuration that is refused", function()
        local home = support.temporary_directory()
        assert(os.execute("mkdir " .. home .. "/kmirror"))
        support.write(home .. "/kmirror/config.lua", "return { profiles = 1 }")
        local found, result = examined { env = { XDG_CONFIG_HOME = home } }
        assert.are.equal(1, result.status)
        is("fail", "profiles", found.configuration)
        for _, check in ipairs { "API key", "user name", "cluster", "connection", "authentication" } do
            assert.are.equal("skip", found[check] and found[check].state, check)
        end
    end)

    it("fails wherever list would: on keys that are none, on variables that are wrong", function()
        local function key(content)
            local path = support.temporary("key", content)
            assert(os.execute("chmod 600 " .. path))
            return path
        end
        for _, changes in ipairs {
            { KMIRROR_API_KEY = false, KMIRROR_API_KEY_FILE = key "" }, { KMIRROR_API_KEY = false },
            { KMIRROR_API_KEY = false, KMIRROR_API_KEY_FILE = key "one\ntwo" }, { KMIRROR_USERNAME = false },
            { KMIRROR_API_KEY = false, KMIRROR_API_KEY_FILE = support.temporary_directory() },
            { KMIRROR_API_KEY = "a key" }, { KMIRROR_CLUSTER = "no-uuid" }, { KMIRROR_API = "v3" },
            { KMIRROR_ENDPOINT = "http://example.test" }, { KMIRROR_PROFILE = "nobody" }, { KMIRROR_USERNAME = "a:b" },
        } do
            local options = with(changes)
            local list = support.run { "list", env = options.env }
            local found, result = examined(with(changes))
            local what = next(changes) .. ": " .. list.stderr .. result.stdout
            assert.is_true(list.status ~= 0, what)
            assert.are.equal(1, result.status, what)
            assert.is_true(not found.authentication or found.authentication.state ~= "ok", what)
            local _, failures = result.stdout:gsub('"state": "fail"', "")
            assert.are.equal(1, failures, what)
        end
    end)

    it("goes to this machine past any proxy, as list does", function()
        for _, variable in ipairs { "http_proxy", "all_proxy", "https_proxy" } do
            for _, url in ipairs { "http://127.0.0.1:9", "http://user:p@ss@nowhere" } do
                local options = with { [variable] = url }
                assert.are.equal(0, support.run { "list", env = options.env }.status)
                local found, result = examined(with { [variable] = url })
                assert.are.equal(0, result.status, result.stdout)
                assert.are.equal("ok", found.connection.state)
            end
        end
    end)

    it("names what is wrong with a setting once, and skips what follows from it", function()
        local options = with {}
        table.move({ "--ca-file", "/nowhere.pem" }, 1, 2, 1, options)
        local found, result = examined(options)
        assert.are.equal(1, result.status)
        is("fail", "%-%-ca%-file must be", found.settings)
        assert.is_nil(found.TLS)
        is("skip", "fix the failures above", found.connection)
        is("skip", "fix the failures above", found.authentication)
    end)

    it("says how often it was refused for the rate", function()
        local throttled = support.sandbox { rate = 2 }
        local found = examined(with { KMIRROR_ENDPOINT = throttled.url })
        is("warn", "were refused", found.rate)
    end)

    it("makes no store, and finds one that cannot be used", function()
        local home = support.temporary_directory()
        is("ok", "none yet", examined { "--sandbox", env = { XDG_STATE_HOME = home } }.store)
        assert.is_nil(io.open(home .. "/kmirror/jobs.db"))
        local junk = support.temporary("junk.db", ("junk"):rep(1000))
        assert(os.execute("chmod 600 " .. junk))
        local found, result = examined { "--sandbox", "--store", junk }
        assert.are.equal("fail", found.store.state, found.store.found)
        assert.are.equal(1, result.status)
        is("fail", "it is a directory", examined { "--sandbox", "--store", home }.store)
    end)

    it("fails for a store whose key is lost, as no job of it can go on", function()
        local store = support.temporary_directory() .. "/jobs.db"
        local change = ("require 'mirrors'.connect {}:delete('%s')"):format("00000000-0000-4000-8000-000000000000")
        support.run { "--sandbox", "--store", store, "--job", "one", "run", "-", stdin = change }
        is("ok", "with 1 job", examined { "--sandbox", "--store", store }.store)
        support.write(store .. ".key", "")
        is("fail", "it has 0 bytes of 32", examined { "--sandbox", "--store", store }.store)
    end)

    it("is lines with tabs in a pipe, with what to do at their end", function()
        local path = support.temporary("key", "k\n")
        assert(os.execute("chmod 644 " .. path))
        local result = support.run { "doctor", env = with { KMIRROR_API_KEY = false, KMIRROR_API_KEY_FILE = path }.env }
        assert.is_truthy(result.stdout:find("\nAPI key\tfail\t[^\t\n]+\tchmod 600 [^\t\n]+\n"), result.stdout)
    end)
end)
