-- Version 2 of the API tells the connection properties of sources outside of the account, in lists, too, and the
-- configuration of connectors. They often hold a password: nothing that a session leaves may show it.
local json = require("kmirror.json")
local regions = require("spec.support.regions")
local screens = require("spec.support.screen")
local support = require("spec.support")

local EAST = support.us_east
local KAFKA = "5a9b1c52-0000-4000-8000-000000000001"
local PASSWORD <const> = "correct-horse-battery"
local PROPERTIES <const> = "bootstrap.servers=10.0.0.1:9092\nsasl.jaas.config="
    .. "org.apache.kafka.common.security.plain.PlainLoginModule required password=\"" .. PASSWORD .. "\";"
local PROMPT <const> = "read-only>"
local V2 = { "--api", "v2", "--log-level", "debug", "--traceback" }

-- What somebody may try at the prompt, and in a runbook.
local LOOKS = {
    "m = api:get(ID)", "m", "print(m)", ":x m", ":x api:list()", "api:list()", ":json m", ":json api:list()",
    "print(m.sourceConnectionProperties, tostring(m.sourceConnectionProperties))", "m.sourceConnectionProperties",
    "for name, value in pairs(m) do print(name, value) end",
    "for name, value in pairs(m.sourceConnectionProperties) do print(name, value) end",
    "m.sourceConnectionProperties.password", "m.sourceConnectionProperties .. ''", "#m.sourceConnectionProperties",
    "('%s %q'):format(m.sourceConnectionProperties, tostring(m))", "error(m)", "error(m.sourceConnectionProperties)",
    "require('kmirror.json').encode(api:list())", "require('cjson').encode(m.sourceConnectionProperties)",
    "getmetatable(m.sourceConnectionProperties)", "setmetatable(m.sourceConnectionProperties, {})",
    "require('kmirror.log').info('%s', m.sourceConnectionProperties)", "api:create(m)",
    "require('kmirror.regex').problem(m.sourceConnectionProperties)", "api:get(m.sourceConnectionProperties)",
    "require('kmirror.table').write(io.stdout, { { 'P', 'sourceConnectionProperties' } }, { m })",
    "require('kmirror.csv').rows({ 'sourceConnectionProperties' }, { m })", ":time api:list()", ":history",
}

describe("on version 2 of the API, a password in connection properties", function()
    local it_ = regions.fresh()
    after_each(it_.stop)

    local function outside(regex)
        return it_:create(EAST, "legacy", nil, regex, { sourceType = "custom", useRenaming = true,
            sourceConnectionProperties = PROPERTIES })
    end

    local function start(options)
        it_.start(options)
        local id = outside "orders"
        outside "orders" -- a duplicate, for audit
        outside "payments"
        it_:create(EAST, "us-west", KAFKA, "returns")
        return id
    end

    -- Nothing of it in any file below the home, where all that is said is put, too.
    local function is_nowhere()
        for _, secret in ipairs { PASSWORD, require("mime").b64(PASSWORD), "PlainLoginModule" } do
            local found = support.run { "-rlaF", secret, it_.home, command = "grep" }
            assert.are.equal("", found.stdout)
        end
    end

    local number = 0

    -- Runs kmirror; what it says and logs is put into the home.
    local function leave(words)
        number = number + 1
        local name = ("%s/%d-%s"):format(it_.home, number, (table.concat(words, "-"):gsub("[^%w-]", "_"):sub(1, 60)))
        local all = table.move(V2, 1, #V2, 1, { "--log-file", name .. ".log" })
        for i = 1, #V2 do all[i + 2] = V2[i] end
        table.move(words, 1, #words, #all + 1, all)
        all.env, all.stdin = it_:env(), words.stdin
        local result = support.run(all)
        support.write(name .. ".out", result.stdout .. result.stderr)
        return result
    end

    it("is nowhere after list, get, plan, apply, export, audit, drain, with their logs and reports", function()
        local id = start()
        local properties = support.temporary("legacy.properties", PROPERTIES:gsub(PASSWORD, PASSWORD .. "-of-the-file"))
        assert(os.execute("chmod 600 " .. properties))
        local file = support.temporary("fleet.csv", ("to,sourceAlias,sourceConnectionPropertiesFile,topicsRegex,"
            .. "useRenaming,maxTasks\n%s,legacy,%s,orders,true,1\n%s,legacy,%s,payments,true,1\n"
            .. "%s,legacy,%s,shipments,true,1\n"):format(EAST, properties, EAST, properties, EAST, properties))
        local report = it_.home .. "/report"
        for _, words in ipairs {
            { "list" }, { "list", "--json" }, { "list", "--output", "csv" }, { "get", id }, { "get", "--json", id },
            { "get", "no-such-mirror" }, { "plan", file }, { "plan", "--json", file }, { "plan", "--prune", file },
            { "--yes", "--job", "j", "--report", report .. ".html", "apply", file }, { "export" },
            { "export", "--output", "json" }, { "export", "--output", "csv" }, { "run", "audit" },
            { "run", "audit", "--json", "--fleet", file }, { "jobs" }, { "jobs", "show", "j", "--json" },
            { "report", "j", report .. "-j.html" }, { "--report", report .. ".json", "run", "audit" }, { "doctor" },
            { "--metrics", it_.home .. "/metrics", "list" }, { "--log-format", "json", "run", "audit" },
            { "run", "watch", "--until", "in-sync", "--for", "5" }, { "--dry-run", "apply", file },
            { "run", "rollout", "--source", "legacy", "--target", regions.east, "--to", "{old}|x", "--strategy",
                "create-first", "--only", "payments" },
            { "--yes", "--job", "k", "run", "drain", "--source", "legacy", "--busy", "--save", it_.home .. "/d.json" },
        } do
            local result = leave(words)
            assert.is_truthy(#result.stdout + #result.stderr > 0, table.concat(words, " "))
        end
        assert.is_truthy(support.read(report .. ".json"):find("legacy", 1, true))
        assert.is_truthy(support.read(it_.home .. "/d.json"):find("(hidden)", 1, true))
        is_nowhere()
    end)

    it("is nowhere after a session at the prompt, and after a runbook that looks", function()
        local id = start()
        local lines, runbook = {}, {}
        for i, look in ipairs(LOOKS) do
            look = look:gsub("ID", ("%q"):format(id))
            lines[i] = look
            if look:find("^:") then look = "" end
            runbook[i] = ("do local ok, why = pcall(load, %q)\nif ok and why then print(pcall(why)) end end"):format(
                look)
            runbook[#LOOKS + i] = ("print(pcall(load, %q))\nprint(pcall(load(%q) or print))"):format("return " .. look,
                "return " .. look)
        end
        local typed = leave { "repl", stdin = table.concat(lines, "\n") .. "\n" }
        regions.has(typed.stdout .. typed.stderr, "(hidden)")
        local head = "api = require('mirrors').connect {}\n"
        leave { "run", "-", stdin = head .. table.concat(runbook, "\n") .. "\nerror(m)" }
        leave { "--job", "look", "run", "-", stdin = head .. "api:create(api:list()[1])" }
        is_nowhere()
    end)

    it("is nowhere on the screen of a prompt, whatever Tab offers", function()
        local id = start()
        local screen = screens.start { "--api", "v2", "repl", env = it_:env() }
        finally(function() screen:stop() end)
        screen:wait(PROMPT)
        screen:enter(("m = api:get(%q)"):format(id), PROMPT)
        for _, text in ipairs { "m.sourceConnectionProperties", "m.", "m.source", "api:list()[1].",
            "m.sourceConnectionProperties." } do
            screen:type(text)
            screen:press("Tab", "Tab")
            screen:press("C-u")
        end
        screen:enter(":x m", "useRenaming                 true\n5a9b1c52@kmirror " .. PROMPT)
        regions.has(screen:text(), "sourceConnectionProperties  (hidden)")
        support.write(it_.home .. "/screen", screen:text())
        is_nowhere()
    end)

    it("is in no error when the answer that holds it is cut, broken or of another shape", function()
        local mirror = [[{"id":"%s","connectorName":"a.b.c","sourceCluster":[{"alias":"a","externalCluster":]]
            .. [[[{"sourceConnectionProperties":%s}]}]%s]]
        local secret = [["bootstrap.servers=a:9092\nPlainLoginModule password=]] .. PASSWORD .. '"'
        local id = support.mirror
        local whole = mirror:format(id, secret, "}")
        local calls = {
            function(api) return api:list() end, function(api) return api:get(id) end,
            function(api) return api:update_target_latency(id, 2000) end, function(api) return api:delete(id) end,
        }
        for _, body in ipairs {
            mirror:format(id, secret, ""), mirror:format(id, secret:sub(1, -2), ""), whole, "[" .. whole .. "]",
            mirror:format(id, secret .. " oops", "}"), mirror:format(id, "[" .. secret .. "]", "}"),
            mirror:format(id, '{"a":' .. secret .. "}", "}"), '[{"mirrors":[' .. whole .. "]", secret,
            '[{"mirrors":' .. whole .. "}]", '{"mirrors":[' .. whole .. "," .. secret .. "]}",
            mirror:format(id, secret, ',"connectors":[{"name":"Mirror Connector","config":' .. secret .. "}"),
            mirror:format(id, secret, ',"connectors":[{"name":1,"config":' .. secret .. "}]}"),
        } do
            for _, answer in ipairs { { body = body }, { body = body, truncate = #body - 3 },
                { status = 202, body = body }, { status = 204, body = body } } do
                local server = support.server { answer }
                local api = support.connect(server, { api = "v2", timeout = 2 })
                for _, call in ipairs(calls) do
                    local _, problem = pcall(call, api)
                    local told = tostring(problem) .. json.encode(problem)
                    assert.is_nil(told:find(PASSWORD, 1, true) or told:find("PlainLogin", 1, true), told)
                end
                server:stop()
            end
        end
    end)
end)
