-- An API key, as editors, shells and clusters leave it.
local support = require("spec.support")

local KEY = "sandbox-full-key"

describe("an API key", function()
    local sandbox

    setup(function() sandbox = support.sandbox { world = "small" } end)
    teardown(function() sandbox:stop() end)

    local function private(name, content)
        local path = support.temporary(name, content)
        assert(os.execute("chmod 600 " .. path))
        return path
    end

    -- Lists the mirrors with a key from these variables, or from a profile with these fields.
    local function list(variables, fields)
        local env = sandbox:env()
        env.KMIRROR_API_KEY = false
        for name, value in pairs(variables) do env[name] = value end
        if fields then
            env.XDG_CONFIG_HOME = support.temporary_directory("config")
            assert(os.execute("mkdir " .. env.XDG_CONFIG_HOME .. "/kmirror"))
            local path = env.XDG_CONFIG_HOME .. "/kmirror/config.lua"
            support.write(path, ('return { profile = "p", profiles = { p = { username = "sandbox", %s } } }')
                :format(fields))
            assert(os.execute("chmod 600 " .. path))
        end
        return support.run { "list", env = env }
    end

    local surrounded = { KEY, KEY .. "\n", KEY .. "\r\n", "\xEF\xBB\xBF" .. KEY, "\n" .. KEY .. " \n",
        "\t" .. KEY .. "  " }

    it("is taken without what surrounds it, from a file, a variable, a profile or a command", function()
        for i, text in ipairs(surrounded) do
            local path = private("key", text)
            for _, result in ipairs {
                list { KMIRROR_API_KEY_FILE = path }, list { KMIRROR_API_KEY = text },
                list({}, ("api_key = %q"):format(text):gsub("\\\n", "\\n"):gsub("\r", "\\r")),
                list({}, ("api_key_file = %q"):format(path)), list({}, ("api_key_command = 'cat %s'"):format(path)),
            } do
                assert.are.equal(0, result.status, i .. ": " .. result.stderr)
            end
        end
    end)

    it("is no longer than a key can be", function()
        assert.are.equal(1, list { KMIRROR_API_KEY = ("x"):rep(4096) }.status)
        local result = list { KMIRROR_API_KEY = ("x"):rep(4097) }
        assert.are.equal(2, result.status)
        assert.matches("KMIRROR_API_KEY is longer than 4096 characters", result.stderr, 1, true)
    end)

    it("is not alone in that: a user name, an endpoint and a cluster of the environment are, too", function()
        local env = sandbox:env()
        assert.are.equal(0, list {
            KMIRROR_API_KEY = KEY, KMIRROR_USERNAME = env.KMIRROR_USERNAME .. "\r\n",
            KMIRROR_ENDPOINT = env.KMIRROR_ENDPOINT .. "/\r", KMIRROR_CLUSTER = " " .. env.KMIRROR_CLUSTER .. "\n",
        }.status)
        local result = list { KMIRROR_API_KEY = KEY, KMIRROR_USERNAME = "some:body" }
        assert.matches("kmirror: the user name must be a user name, without a colon", result.stderr, 1, true)
    end)

    it("from a command is the first line that holds something", function()
        local path = private("pass", "\n" .. KEY .. "\nuser: somebody\nurl: somewhere\n")
        assert.are.equal(0, list({}, ("api_key_command = 'cat %s'"):format(path)).status)
    end)

    -- Where a key could come from, and what cannot be one: the message names both, and shows nothing of it.
    it("that is none is refused by the name of where it was looked for, and what is wrong there", function()
        local directory = support.temporary_directory("keys")
        local open = support.temporary("open", KEY)
        assert(os.execute("chmod 440 " .. open))
        for text, wrong in pairs {
            [private("empty", "")] = "is empty", [private("blank", " \r\n\n")] = "is empty",
            [directory] = "Is a directory", [directory .. "/none"] = "No such file",
            [private("two", "s3cret-one\ns3cret-two\n")] = "has 2 lines",
            [private("wide", "\xFF\xFEs\0k\0")] = "is in UTF-16", [private("inside", "s3cret one")] = "no API key",
            [private("nul", "s3cret\0junk")] = "no API key",
            [private("long", ("s3cret"):rep(20000))] = "longer than 4096 characters",
            ["/dev/zero"] = "chmod 600", [open] = "chmod 600",
        } do
            for from, result in pairs { KMIRROR_API_KEY_FILE = list { KMIRROR_API_KEY_FILE = text },
                ["profile p: api_key_file"] = list({}, ("api_key_file = %q"):format(text)) } do
                assert.are.equal(2, result.status, result.stderr)
                assert.is_truthy(result.stderr:find(from .. ": ", 1, true), result.stderr)
                assert.is_truthy(result.stderr:find(wrong, 1, true), result.stderr)
                assert.is_nil(result.stderr:find("s3cret", 1, true), result.stderr)
            end
        end
    end)

    it("in a file that its group can read, as Kubernetes mounts it, comes with a way that works", function()
        local path = support.temporary("mounted", KEY)
        assert(os.execute("chmod 440 " .. path))
        local result = list { KMIRROR_API_KEY_FILE = path }
        assert.is_truthy(result.stderr:find("api_key_command print it (cat " .. path .. ")", 1, true), result.stderr)
        assert.are.equal(0, list({}, ("api_key_command = 'cat %s'"):format(path)).status)
        assert.are.equal(0, list { KMIRROR_API_KEY = support.read(path) }.status)
    end)

    describe("that is replaced while a run goes on", function()
        -- Runs a runbook with a key in a file, which it may write, and that is got from there in one of these ways.
        local ways = {
            variable = function(path) return { KMIRROR_API_KEY_FILE = path } end,
            file = function(path) return {}, ("api_key_file = %q"):format(path) end,
            command = function(path, keys)
                return {}, ("api_key_command = %q"):format(("echo >> %s; cat %s"):format(keys, path))
            end,
        }

        local function run(way, first, source)
            local path, keys = private("key", first), support.temporary("keys", "")
            local env = sandbox:env()
            local variables, fields = ways[way](path, keys)
            env.KMIRROR_API_KEY = false
            for name, value in pairs(variables) do env[name] = value end
            if fields then
                env.XDG_CONFIG_HOME = support.temporary_directory("config")
                assert(os.execute("mkdir " .. env.XDG_CONFIG_HOME .. "/kmirror"))
                support.write(env.XDG_CONFIG_HOME .. "/kmirror/config.lua",
                    ('return { profile = "p", profiles = { p = { username = "sandbox", %s } } }'):format(fields))
            end
            local script = support.temporary("runbook.lua", ([[
                local bulk, mirrors = require "kmirror.bulk", require "mirrors"
                local api = mirrors.connect {}
                local function replace(key)
                    local file <close> = assert(io.open(%q, "w"))
                    file:write(key)
                end
                ]]):format(path) .. source)
            local before = #sandbox:requests()
            local result = support.run { "--rate", "0", "run", script, env = env }
            local requests = sandbox:requests()
            result.asked, result.answers = #requests - before, { [200] = 0, [401] = 0 }
            for i = before + 1, #requests do
                local status = requests[i].status
                result.answers[status] = (result.answers[status] or 0) + 1
            end
            result.keys = select(2, support.read(keys):gsub("\n", ""))
            return result
        end

        local replaced = ([[replace(%q) print(#api:list() > 0)]]):format(KEY)

        it("is read again after a 401, wherever it came from", function()
            for way in pairs(ways) do
                local result = run(way, "the-old-key", replaced)
                assert.are.same({ 0, "true\n", 2 }, { result.status, result.stdout, result.asked }, result.stderr)
                assert.matches("it was read again, and is another one now", result.stderr, 1, true)
                assert.is_falsy(result.stderr:find("old-key", 1, true) or result.stderr:find(KEY, 1, true))
            end
        end)

        it("is read once for all calls that are under way", function()
            local result = run("command", "the-old-key", ([[replace(%q)
                local items = {}
                for i = 1, 30 do items[i] = i end
                print(#bulk.map(items, function() return api:list() end, 30))]]):format(KEY))
            assert.are.same({ 0, "30\n", 2 }, { result.status, result.stdout, result.keys }, result.stderr)
            assert.are.equal(1, select(2, result.stderr:gsub("read again", "")))
            result.answers[429] = nil -- its server counts what others have just sent, too
            assert.are.same({ [200] = 30, [401] = 30 }, result.answers)
        end)

        it("fails the call when it is the same, and is not read for each call that fails", function()
            local result = run("command", "the-old-key", [[
                local items, failed = {}, {}
                for i = 1, 30 do items[i] = i end
                bulk.map(items, function()
                    local ok, e = pcall(api.list, api)
                    failed[#failed + 1] = e.message
                end, 30)
                print(#failed, failed[1])]])
            assert.matches("^30\t.*; the key was read again, and is the same\n$", result.stdout)
            assert.are.same({ 2, 30 }, { result.keys, result.asked })
        end)

        it("fails the call when the other one is not accepted either, or cannot be read", function()
            local result = run("file", "the-old-key", [[replace("another-old-key") api:list()]])
            assert.are.same({ 1, 2 }, { result.status, result.asked })
            assert.matches("401 Not Authorized", result.stderr, 1, true)
            assert.is_falsy(result.stderr:find("old-key", 1, true))
            result = run("file", "the-old-key", [[replace("") api:list()]])
            assert.are.same({ 1, 1 }, { result.status, result.asked })
            assert.matches("the key could not be read again: profile p: api_key_file: ", result.stderr, 1, true)
        end)

        it("is not read where a runbook has given its own", function()
            local result = run("command", "the-old-key", ([[replace(%q)
                mirrors.connect { api_key = "own-key-0" }:list()]]):format(KEY))
            assert.are.same({ 1, 1, 1 }, { result.status, result.asked, result.keys })
        end)
    end)
end)
