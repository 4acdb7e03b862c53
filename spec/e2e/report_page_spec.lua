--- The page of a report: what it says without a script, and what its script draws in a browser, where there is one.
local json = require("kmirror.json")
local order = require("kmirror.order")
local support = require("spec.support")

local prelude = [[
    local api = require("mirrors").connect {}
    local function create(regex)
        return api:create { sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001",
            sourceAlias = "us-west", usePrivateIps = false, topicsRegex = regex, useRenaming = false, maxTasks = 1 }
    end
]]

-- The page of a runbook's run in a small sandbox, its path, and the result of the run.
local function page_of(script, options)
    local path = support.temporary "page.html"
    local words = { "--sandbox", "--world", "3", "--rate", "0", "--report", path }
    table.move(options or {}, 1, #(options or {}), #words + 1, words)
    table.move({ "run", "-" }, 1, 2, #words + 1, words)
    words.stdin = prelude .. script
    local result = support.run(words)
    local page = support.read(path)
    assert.is_truthy(page:find("</html>%s*$"), result.stderr)
    return page, path, result
end

-- What packed.lua has packed, as the page's script opens it.
local function unpacked(packed)
    local open
    local function column(its, length)
        local found = {}
        local function add(value, count)
            for _ = 1, count do found[#found + 1] = value == "~" and "~" or { open(value) } end
        end
        if its.same ~= nil then
            add(its.same, length)
        elseif its.runs then
            for i = 1, #its.runs, 2 do add(its.runs[i], its.runs[i + 1]) end
        elseif its.some then
            local count, there = 0, column(its.some, length)
            for _, each in ipairs(there) do count = count + each[1] end
            local all = column(its.of, count)
            count = 0
            for i, each in ipairs(there) do
                count = count + each[1]
                found[i] = each[1] == 1 and all[count] or "~"
            end
        elseif its.steps then
            local at = 0
            for i, step in ipairs(column(its.steps, length)) do
                at = at + step[1]
                found[i] = { math.tointeger(at / 1000) or at / 1000 }
            end
        elseif its.rows then
            local all, from = open(its.rows), 1
            for i, many in ipairs(its.many and column(its.many, length) or {}) do
                found[i] = { table.move(all, from, from + many[1] - 1, 1, {}) }
                from = from + many[1]
            end
            for i = 1, its.many and 0 or #all do found[i] = { all[i] } end
        else
            for _, each in ipairs(its) do add(each, 1) end
        end
        return found
    end
    local function rows(its)
        local keys, made = packed.shapes[tonumber(its[1]:sub(2), 36) + 1], {}
        for i = 1, its[2] do made[i] = {} end
        for at, key in ipairs(keys) do
            for i, each in ipairs(column(its[at + 2], its[2])) do
                if each ~= "~" then made[i][key] = each[1] end
            end
        end
        return made
    end
    function open(value)
        if type(value) == "string" then
            local number = value:match("^~(%w+)$")
            return number and packed.strings[tonumber(number, 36) + 1] or value:gsub("^~~", "")
        elseif type(value) ~= "table" then
            return value
        elseif type(value[1]) == "string" and value[1]:find("^@") then
            return rows(value)
        end
        local copy = {}
        for key, each in pairs(value) do copy[key] = open(each) end
        return copy
    end
    return open(packed.record)
end

-- What is in the script element of that id, as text and as a value.
local function data(page, id)
    local text = page:match('<script type="application/json" id="' .. id .. '">(.-)</script>')
    local value = assert(json.decode(text))
    return text, id == "record" and unpacked(value) or value
end

-- What is read where no script runs.
local function plain(page)
    return (page:match "<main>(.-)</main>")
end

local nobody = "00000000-0000-4000-8000-000000000000"

-- Each would end the element, start another one, change what one reads, or be obeyed by a terminal.
local hostile = "</script><script>document.title='owned'</script><!--<img src=x onerror=alert(1)>{{command}}"
    .. "\u{202E}desrever\27[31m\u{9b}32m&'\""

describe("the page of a report, without a script,", function()
    it("says how the run went, why it stopped and how to continue", function()
        local page = page_of("create 'new' error('out of\\n<luck>', 0)", { "--job", "lucky" })
        local text = plain(page)
        assert.is_truthy(text:find('<span class="state" data-is="failed">failed</span>', 1, true))
        assert.is_truthy(text:find('<pre class="error">\nout of\n&lt;luck&gt;\n</pre>', 1, true))
        assert.is_truthy(text:find('<pre class="next">kmirror jobs resume lucky</pre>', 1, true))
        assert.is_truthy(text:find("<b>1</b> <span>changes done</span>", 1, true))
        assert.is_truthy(page:find("<title>kmirror run -: failed</title>", 1, true))
    end)

    it("says nothing of what is not so", function()
        local text = plain(page_of "api:list()")
        assert.is_truthy(text:find("<h2>Failures</h2>\n<p>None.</p>", 1, true))
        assert.is_nil(text:find("Why it stopped", 1, true))
        assert.is_nil(text:find("To continue", 1, true))
        assert.is_nil(text:find("Still running", 1, true))
    end)

    it("names each call that failed, with its error", function()
        local text = plain(page_of(("pcall(api.get, api, %q) pcall(api.delete, api, %q)"):format(nobody, nobody)))
        assert.is_nil(text:find("<p>None.</p>", 1, true))
        for _, call in ipairs { "get", "delete" } do
            local cells = '<td class="name">%s</td><td class="wide">%s</td><td class="failed">not found</td>'
            assert.is_truthy(text:find(cells:format(call, nobody), 1, true), call)
        end
    end)

    it("says how many more calls failed than it names", function()
        local text = plain(page_of(("for _ = 1, 250 do pcall(api.get, api, %q) end"):format(nobody)))
        local calls = text:match('<h3 id="failures">.*$')
        assert.are.equal(200, select(2, calls:gsub('<td class="failed">not found', "")))
        assert.is_truthy(text:find("The first 200 of 250", 1, true))
    end)

    it("begins with what the runbook says of itself, and what was changed", function()
        local text = plain(page_of("create 'new' create 'newer' api:delete(api:list()[1].id)"
            .. " require('kmirror.summary').say('2 of 2 <b>well</b>')"))
        local result = text:find("<pre class=\"result\">\n2 of 2 &lt;b&gt;well&lt;/b&gt;\n</pre>", 1, true)
        local changed = text:find("<p>Changed: 2 creates, 1 delete.</p>", 1, true)
        assert.is_true(result < changed and changed < text:find('<ul class="cards">', 1, true))
        text = plain(page_of("create 'new'", { "--dry-run" }))
        assert.is_truthy(text:find("<p>Dry run, nothing was changed. It would be: 1 create.</p>", 1, true))
        assert.is_truthy(plain(page_of "api:list()"):find("<p>Nothing was changed.</p>", 1, true))
    end)

    it("tells what failed for good by its cause, apart from what a later try repaired", function()
        local faults = support.temporary("faults.lua",
            [[return { { fault = "server_error", status = 500, body = "json", operation = "update_target_latency",
                times = 5 } }]])
        local text = plain(page_of(([[
            local api, bad = require("mirrors").connect { retries = 0 }, api:list()
            for _, listed in ipairs(bad) do pcall(api.update_target_latency, api, listed.id, 40000) end
            for _, listed in ipairs(bad) do pcall(api.update_target_latency, api, listed.id, 40000) end
            for i = 1, 9 do pcall(api.delete, api, %q .. i) end]]):format(nobody:sub(1, -2)), { "--faults", faults }))
        assert.is_truthy(text:find('Calls that failed for good: 11 calls, 2 causes</h3>', 1, true), text)
        assert.is_truthy(text:find('<b class="failed">delete: not found</b>, 9 calls about 9 mirrors: ',
            1, true))
        assert.is_truthy(text:find('<b class="failed">update target latency: server</b>, 2 calls, after 2 in vain, '
            .. 'about 2 mirrors: ', 1, true))
        assert.is_truthy(text:find("Failed at first, done by a later call: 1 call, 1 cause</summary>", 1, true))
        assert.is_truthy(text:find("<b>11</b> <span>changes failed or not answered</span>", 1, true))
        assert.is_truthy(text:find("<b>1</b> <span>failed at first, done later</span>", 1, true))
        assert.are.equal(1, select(2, text:gsub("<details open>", ""))) -- nine are folded up
    end)

    it("names the mirrors that did not work when last read, though no call failed", function()
        local text = plain(page_of("local id = create 'bad' api:get(id)",
            { "--fail-every", "1", "--creating-seconds", "0", "--sync-seconds", "0" }))
        assert.is_nil(text:find("Calls that failed", 1, true))
        assert.is_truthy(text:find('<td class="wide">bad</td>', 1, true))
        assert.is_truthy(text:find('<td class="failed">FAILED</td>', 1, true))
    end)

    it("does not call it a failure that a mirror is gone after it was deleted", function()
        local text = plain(page_of "local id = api:list()[1].id api:delete(id) pcall(api.get, api, id)")
        assert.is_truthy(text:find("<p>None.</p>", 1, true))
    end)

    it("says that the run was interrupted", function()
        local path = support.temporary "interrupted.html"
        local process = support.start { "--sandbox", "--report", path, "run", "-",
            stdin = prelude .. "api:list() print 'ready' io.stdout:flush() require('task').sleep(60)" }
        support.eventually("the run", function() return process:stdout():find "ready" end)
        process:signal "INT"
        assert.are.equal(130, process:wait().status)
        assert.is_truthy(support.read(path):find('class="state" data-is="interrupted"', 1, true))
    end)

    it("is there while the run goes on, and after it was killed", function()
        local path = support.temporary "killed.html"
        local process = support.start { "--sandbox", "--report", path, "run", "-",
            stdin = prelude .. "api:list() require('task').sleep(60)" }
        support.eventually("the call in the page", function()
            local page = support.read(path)
            return page:find "</html>\n$" and #select(2, data(page, "record")).runs[1].calls == 1
        end)
        process:signal "KILL"
        process:wait()
        local page = support.read(path)
        assert.is_truthy(plain(page):find("Still running when this was written", 1, true))
        assert.is_truthy(page:find "</html>\n$")
    end)

    it("shows text from outside as text", function()
        local page = page_of(("create(%q) create(('x'):rep(10000)) error(%q, 0)"):format(hostile, hostile))
        local text = plain(page)
        assert.is_truthy(text:find("&lt;/script&gt;&lt;script&gt;document.title=&#39;owned&#39;", 1, true))
        assert.is_truthy(text:find("\\u{202E}desrever\\u{1B}[31m\\u{9B}32m&amp;&#39;&quot;", 1, true))
        assert.is_truthy(text:find("{{command}}", 1, true))
        for _, what in ipairs { "<script>document", "<img", "\u{202E}", "\27", "\u{9b}" } do
            assert.is_nil(page:find(what, 1, true), what)
        end
    end)
end)

describe("the page of a report", function()
    local home = support.temporary_directory "home"
    local file = support.temporary("job.lua", prelude .. ("create 'new' pcall(create, %q)"):format(hostile))

    it("holds what --report FILE.json holds", function()
        local page, record = support.temporary "job.html", support.temporary "job.json"
        local env = { HOME = home }
        local result = support.run { "--sandbox", "--job", "one", "--report", page, "run", file, env = env }
        assert.are.equal(0, result.status, result.stderr)
        local _, embedded = data(support.read(page), "record")
        assert.are.equal("new", embedded.runs[1].calls[1].topicsRegex)
        assert.are.equal(hostile, embedded.runs[1].calls[2].topicsRegex)
        for _, path in ipairs { page, record } do
            assert.are.equal(0, support.run { "report", "one", path, env = env }.status)
        end
        embedded = select(2, data(support.read(page), "record"))
        local wanted = assert(json.decode(support.read(record)))
        embedded.written, wanted.written = nil, nil -- may be a second later
        assert.are.equal(2, #wanted.runs[1].changes)
        assert.are.same(wanted, embedded)
    end)

    it("holds nothing in its data that could end them", function()
        local page = page_of(("pcall(create, %q)"):format(hostile))
        for _, id in ipairs { "record", "words" } do
            assert.is_nil(data(page, id):find("<", 1, true))
        end
        assert.are.equal(3, select(2, page:gsub("<script", "")))
        assert.are.equal(3, select(2, page:gsub("</script", "")))
    end)

    it("lets its own style and script work, and nothing else", function()
        local page = page_of "api:list()"
        local policy = page:match 'Content%-Security%-Policy" content="(.-)"'
        local function hash_of(tag)
            local part = support.temporary("part", page:match("<" .. tag .. ">(.-)</" .. tag .. ">"))
            local pipe = assert(io.popen("openssl dgst -sha256 -binary " .. part .. " | base64"))
            local hash = pipe:read "l"
            pipe:close()
            return "'sha256-" .. hash .. "'"
        end
        assert.are.equal(("default-src 'none'; style-src %s; script-src %s; base-uri 'none'; form-action 'none'")
            :format(hash_of "style", hash_of "script"), policy)
        assert.is_nil(page:find " style=")
        assert.is_nil(page:find " on%a+=")
    end)

    it("asks for nothing from outside", function()
        local page = page_of("api:list()"):gsub("http://www.w3.org/2000/svg", "") -- a name, not a place
        for _, what in ipairs { "https?:", " src=", " href=", "@import", "url%(", "fetch%(" } do
            assert.is_nil(page:find(what), what)
        end
    end)

    it("has no hole that was not filled in", function()
        local page = page_of "api:list()"
        assert.is_nil(page:find("{{", 1, true))
        assert.is_nil(page:find("<!--", 1, true))
    end)

    it("never has a secret", function()
        local page = page_of [[pcall(api.create, api, { sourceType = "custom", sourceAlias = "a", topicsRegex = "x",
            sourceConnectionProperties = "password=hunter22", useRenaming = false, maxTasks = 1 })]]
        assert.is_truthy(page:find("(hidden)", 1, true))
        assert.is_nil(page:find("hunter22", 1, true))
        assert.is_nil(page:find("sandbox-full-key", 1, true))
    end)

    it("takes less than 400 kB for a failover of 400 mirrors, packed, and lacks nothing but quick reads", function()
        local page, record = support.temporary "large.html", support.temporary "large.json"
        for _, path in ipairs { page, record } do
            local result = support.run { "--sandbox", "--world", "400", "--jump", "--seed", "5",
                "--report", path, "run", "failover", env = { TMPDIR = home } }
            assert.are.equal(0, result.status, result.stderr)
        end
        local source = support.read(page)
        assert.is_true(#source < 400000, #source .. " bytes")
        local shown = select(2, data(source, "record")).runs[1]
        local whole = assert(json.decode(support.read(record))).runs[1]
        assert.are.equal(800, #shown.changes)
        local calls = 0
        for _, timing in ipairs(shown.timings) do calls = calls + timing.calls end
        assert.are.equal(calls, #shown.calls + shown.calls_left_out)
        assert.are.equal(#whole.mirrors, #shown.mirrors)
        assert.are.same(order.keys(whole.changes[800]), order.keys(shown.changes[800]))
    end)

    it("stays small when there are hundreds of mirrors and thousands of calls", function()
        local sandbox, path = support.sandbox { rate = 0, world = 400 }, support.temporary "many.html"
        local result = support.run { "--rate", "0", "--report", path, "run", "-", env = sandbox:env(),
            stdin = prelude .. [[
                local bulk = require "kmirror.bulk"
                for _ = 1, 2 do bulk.details(api) end
                bulk.each(api:list(), function(mirror) api:update_target_latency(mirror.id, 50000) end)
                for _ = 1, 500 do api:get(api:list()[1].id) end]] }
        sandbox:stop()
        assert.are.equal(0, result.status, result.stderr)
        local page = support.read(path)
        assert.are.equal(400, #select(2, data(page, "record")).runs[1].changes)
        assert.is_true(#page < 200e3, #page .. " bytes")
    end)
end)

-- ---- in a browser -----------------------------------------------------------------------------------------------

local flags = {
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--enable-logging=stderr",
}

-- What the browser says of a page; its console has to stay empty.
local function chromium(...)
    local words = { command = "chromium", timeout = 60, table.unpack(flags) }
    words[#words + 1] = "--user-data-dir=" .. support.temporary_directory "chromium"
    table.move({ ... }, 1, select("#", ...), #words + 1, words)
    local result = support.run(words)
    assert.is_nil(result.stderr:find("CONSOLE", 1, true), result.stderr)
    return result.stdout
end

-- The page with one more script, and a policy that lets it run.
local function with_script(page, script)
    local path = support.temporary "changed.html"
    local source = support.read(page):gsub("script%-src '[^']+'", "script-src 'unsafe-inline'")
    local added = "<script>" .. script .. "</script></body>"
    support.write(path, (source:gsub("</body>", function() return added end)))
    return "file://" .. path
end

-- How often a text occurs.
local function count(text, what)
    return select(2, text:gsub(what:gsub("%p", "%%%0"), ""))
end

local has_browser = os.execute "command -v chromium > /dev/null"
local describe_browser = has_browser and describe or pending

describe_browser("a large page of a report, in a browser,", function()
    local page

    setup(function()
        local path = support.temporary "wide.html"
        local result = support.run { "--sandbox", "--world", "120", "--jump", "--report", path, "run", "-",
            stdin = prelude .. [[
                local bulk, steps = require "kmirror.bulk", require("kmirror.steps").new()
                for i = 1, 30 do steps:run("step " .. i, function() api:list() return "done" end) end
                bulk.map(api:list(), function(each) return api:get(each.id) end, 100)
                bulk.map(api:list(), function(each) return api:update_target_latency(each.id, 31000) end, 100)]] }
        assert(result.status == 0, result.stderr)
        page = path
    end)

    it("sums the timeline up where there are more rows than a screen holds, and unfolds it", function()
        local folded = chromium("--dump-dom", "file://" .. page)
        assert.is_truthy(folded:find("How many calls of each kind ended, in each second", 1, true))
        assert.is_truthy(folded:find("<title>list, get: at most ", 1, true))
        assert.are.equal(0, count(folded, '<g class="call"'))
        assert.are.equal(24, count(folded, 'class="step"'))
        local unfolded = chromium("--dump-dom", with_script(page, [[
            document.querySelectorAll("details").forEach((each) => {
                each.open = true;
                each.dispatchEvent(new Event("toggle"));
            });]]))
        assert.is_true(count(unfolded, '<g class="call"') >= 240)
        assert.are.equal(24 + 30, count(unfolded, 'class="step"'))
    end)
end)

describe_browser("a page that is printed", function()
    it("has what was changed unfolded, and not what else is folded", function()
        local path = support.temporary "printed.html"
        local result = support.run { "--sandbox", "--world", "40", "--jump", "--report", path, "run", "-",
            stdin = prelude .. [[
                for _, each in ipairs(api:list()) do api:update_target_latency(each.id, 31000) end]] }
        assert(result.status == 0, result.stderr)
        local function is_open(dom, title)
            return dom:find("<details open=\"\"[^>]*><summary>" .. title .. "</summary>") ~= nil
        end
        local shown = chromium("--dump-dom", "file://" .. path)
        assert.is_false(is_open(shown, "40 changes"))
        local printed = chromium("--dump-dom", with_script(path, 'dispatchEvent(new Event("beforeprint"));'))
        assert.is_true(is_open(printed, "40 changes"))
        assert.is_false(is_open(printed, "41 calls"))
        assert.are.equal(1, count(printed, "<summary>41 calls</summary>"))
    end)
end)

describe_browser("the page of a report, in a browser,", function()
    local page, calls, dom

    setup(function()
        local source, path, result = page_of(([[
            require("kmirror.steps").new():run("a <b>bold</b> step", function()
                for _, listed in ipairs(api:list()) do
                    api:get(listed.id)
                    api:update_target_latency(listed.id, 31000)
                end
                pcall(create, %q)
                pcall(create, ("long"):rep(2500))
                pcall(api.delete, api, %q)
                for _ = 1, 40 do api:list() end
                return "done"
            end)]]):format(hostile, nobody), { "--faults", "flaky", "--seed", "7" })
        assert(result.status == 0, result.stderr)
        page, calls = path, select(2, data(source, "record")).runs[1].calls
        dom = chromium("--dump-dom", "file://" .. page)
    end)

    it("shows each call in the timeline and in the table", function()
        assert.is_true(#calls >= 50)
        for _, call in ipairs(calls) do
            assert.is_truthy(dom:find(('<g class="call" data-call="%d"'):format(call.number), 1, true))
            assert.is_truthy(dom:find(('<tr data-call="%d"'):format(call.number), 1, true))
        end
        assert.are.equal(#calls, count(dom, '<g class="call"'))
        local legend = dom:match '<section class="calls">.-<p class="legend">(.-)</p>'
        assert.is_truthy(legend:find('<i class="alters"></i>latency update<', 1, true))
        assert.is_truthy(legend:find('<i class="removes"></i>delete<', 1, true))
        assert.is_nil(legend:find("pause", 1, true)) -- only what the run did
        for _, title in ipairs { "Where the time went", "Timeline", "What changed", "Quota", "Lag", "Timings" } do
            assert.is_truthy(dom:find("<h2>" .. title .. "</h2>", 1, true), title)
        end
    end)

    it("tells each attempt of a call that was tried again", function()
        local told = 0
        for _, call in ipairs(calls) do
            for _, attempt in ipairs(call.attempts) do
                if attempt.error and #call.attempts > 1 then
                    local text = (" s: %s</li>"):format(attempt.message:gsub("&", "&amp;"):gsub("<", "&lt;"))
                    assert.is_truthy(dom:find(text, 1, true), text)
                    told = told + 1
                end
            end
        end
        assert.is_true(told > 0)
    end)

    it("keeps what is hostile as text", function()
        assert.is_truthy(dom:find("<title>kmirror run", 1, true))
        assert.is_truthy(dom:find("&lt;/script&gt;&lt;script&gt;document.title='owned'&lt;/script&gt;", 1, true))
        assert.is_truthy(dom:find("\\u{202E}desrever\\u{1B}[31m\\u{9B}32m", 1, true))
        assert.is_truthy(dom:find("(10000 characters)", 1, true))
        assert.is_nil(plain(dom):find(("long"):rep(100), 1, true))
        for _, what in ipairs { "<img", "<b>bold", "\u{202E}", "\27", "\u{9b}" } do
            assert.is_nil(plain(dom):find(what, 1, true), what)
        end
        assert.are.equal(3, count(dom, "<script"))
    end)

    it("has a color for each mark", function()
        local style, marks = page and support.read(page):match "<style>(.-)</style>", 0
        for tag, class in dom:gmatch '<(%a+) class="([%a ]+)"' do
            if tag == "i" or tag == "rect" then
                marks = marks + 1
                local last = class:match "%a+$"
                assert.is_truthy(style:find(("%s.%s {"):format(tag, last), 1, true)
                    or style:find(("\n.%s {"):format(last), 1, true), class)
            end
        end
        assert.is_true(marks > 50)
    end)

    it("filters the calls, in the table and in the timeline", function()
        local filtered = chromium("--dump-dom", "file://" .. page .. "#filter=delete+not+found")
        assert.are.equal(1, count(filtered, "<tr data-call="))
        assert.are.equal(#calls - 1, count(filtered, '<g class="call off"'))
        assert.is_truthy(filtered:find(("1 of %d"):format(#calls), 1, true))
    end)

    it("sorts by a column", function()
        local sorted = chromium("--dump-dom", with_script(page, [[
            var button = document.querySelectorAll(".calls th button")[5];
            button.click(); button.click();]]))
        assert.is_truthy(sorted:find('aria-sort="descending"', 1, true))
        local by_number, last, rows = {}, math.huge, 0
        for _, call in ipairs(calls) do by_number[call.number] = call.ended - call.asked end
        for number in sorted:gmatch '<tr data%-call="(%d+)"' do
            assert.is_true(by_number[tonumber(number)] <= last)
            last, rows = by_number[tonumber(number)], rows + 1
        end
        assert.are.equal(#calls, rows)
    end)

    it("runs no script but its own", function()
        local path = support.temporary "planted.html"
        support.write(path, (support.read(page):gsub("</main>", "<script>document.title='owned'</script></main>")))
        local words = { command = "chromium", timeout = 60, table.unpack(flags) }
        table.move({ "--user-data-dir=" .. support.temporary_directory "chromium", "--dump-dom", "file://" .. path },
            1, 3, #words + 1, words)
        local result = support.run(words)
        assert.is_truthy(result.stdout:find("<title>kmirror run -: done</title>", 1, true))
        assert.is_truthy(result.stdout:find("<h2>Timeline</h2>", 1, true))
        assert.is_truthy(result.stderr:find("Content Security Policy", 1, true))
    end)

    it("puts the label of a step into its bar when that is long enough, else beside it", function()
        local _, path = page_of [[
            local steps, task = require("kmirror.steps").new(), require "task"
            for _, step in ipairs { { "at first a step of many words that takes no time", 0 }, { "long", 0.6 },
                { "WIDE WIDE WIDE WIDE WIDE", 0.1 }, { "one of many words, near the end", 0.01 }, { "x", 0 } } do
                steps:run(step[1], function() task.sleep(step[2]) return "" end)
            end]]
        local measured = chromium("--dump-dom", with_script(path, [[
            var found = [];
            document.querySelectorAll("svg g:not(.call)").forEach(function (g) {
                if (!g.querySelector("text.label")) return;
                var bar = g.querySelector("rect").getBBox(), label = g.querySelector("text").getBBox();
                var inside = label.x >= bar.x && label.x + label.width <= bar.x + bar.width;
                var beside = label.x >= bar.x + bar.width || label.x + label.width <= bar.x;
                var visible = label.x >= 0 && label.x + label.width <= g.ownerSVGElement.viewBox.baseVal.width;
                found.push(!visible ? "cut" : inside ? "inside" : beside ? "beside" : "across");
            });
            document.title = found.join(" ");]]))
        assert.are.equal("beside inside beside beside beside", measured:match "<title>(.-)</title>")
    end)

    it("shows all runs of a job, from its journal", function()
        local home = support.temporary_directory "home"
        local file, path = support.temporary("job.lua", prelude .. "create 'new' error()"), support.temporary "job.html"
        for _ = 1, 2 do
            support.run { "--sandbox", "--job", "two", "run", file, env = { HOME = home } }
        end
        assert.are.equal(0, support.run { "report", "two", path, env = { HOME = home } }.status)
        local seen = chromium("--dump-dom", "file://" .. path)
        for run = 1, 2 do
            assert.is_truthy(seen:find("<h3>Run " .. run .. ", started [%d-]+ [%d:]+ UTC: failed</h3>"))
        end
        assert.is_truthy(seen:find("only its changes are known", 1, true))
        assert.is_nil(seen:find("<h2>Quota</h2>", 1, true))
    end)

    it("can be looked at: the pictures are in the build folder", function()
        for name, more in pairs { light = { "--window-size=1200,1800" }, narrow = { "--window-size=500,1800" },
            dark = { "--window-size=1200,1800", "--blink-settings=preferredColorScheme=0" } } do
            local path = ("%s/report-%s.png"):format(support.build, name)
            os.remove(path)
            more[#more + 1] = "--screenshot=" .. path
            chromium("file://" .. page, table.unpack(more))
            assert.is_true(#support.read(path) > 20000)
        end
    end)
end)
