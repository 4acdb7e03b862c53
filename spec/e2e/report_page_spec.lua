--- The report in a browser: what is seen there, filtered and sorted.
local json = require "kmirror.json"
local support = require "spec.support"

local flags = {
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--enable-logging=stderr",
}

local function chromium(...)
    local words = { command = "chromium", timeout = 60, table.unpack(flags) }
    words[#words + 1] = "--user-data-dir=" .. support.temporary_directory("chromium")
    table.move({ ... }, 1, select("#", ...), #words + 1, words)
    local result = support.run(words)
    assert.is_nil(result.stderr:find("CONSOLE", 1, true), result.stderr)
    return result.stdout
end

local hostile = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\u{202E}desrever"

local script = [[
    local api = require("mirrors").connect {}
    local function create(regex)
        return api:create { sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001",
            sourceAlias = "us-west", usePrivateIps = false, topicsRegex = regex, useRenaming = false, maxTasks = 1 }
    end
    require("kmirror.steps").new():run("a <b>bold</b> step", function()
        for _, listed in ipairs(api:list()) do api:get(listed.id) end
        create(%q)
        create(("long"):rep(2500))
        pcall(api.delete, api, "00000000-0000-4000-8000-000000000000")
        return "done"
    end)
]]

-- How often a text occurs.
local function count(text, what)
    return select(2, text:gsub(what:gsub("%p", "%%%0"), ""))
end

describe("the page in a browser", function()
    local page, document, dom = support.temporary("page.html"), support.temporary("page.json"), nil

    setup(function()
        local sandbox = support.sandbox { rate = 0, world = 6 }
        for _, path in ipairs { page, document } do
            local result = support.run { "--rate", "0", "--report", path, "run", "-", env = sandbox:env(),
                stdin = script:format(hostile) }
            assert(result.status == 0, result.stderr)
        end
        sandbox:stop()
        dom = chromium("--dump-dom", "file://" .. page)
    end)

    it("shows each call in the timeline and in the table", function()
        local calls = json.decode(support.read(document)).runs[1].calls
        assert.is_true(#calls >= 10)
        assert.are.equal(count(support.read(page), "<g class=call"), count(dom, '<g class="call"'))
        for number = 1, #calls - 2 do -- the second of the runs saw two mirrors more
            assert.is_truthy(dom:find(('<g class="call" data-call="%d"'):format(number), 1, true))
            assert.is_truthy(dom:find(('<tr data-call="%d"'):format(number), 1, true))
        end
        assert.is_truthy(dom:find('<rect class="failed"', 1, true))
    end)

    it("keeps what is hostile as text", function()
        assert.is_truthy(dom:find("<title>kmirror run", 1, true))
        assert.is_nil(dom:find("<img", 1, true))
        assert.is_nil(dom:find("<b>bold", 1, true))
        assert.is_nil(dom:find("\u{202E}", 1, true))
        assert.are.equal(1, count(dom, "<script"))
        assert.is_truthy(dom:find("&lt;script&gt;document.title='owned'&lt;/script&gt;", 1, true))
    end)

    it("filters the calls, in the table and in the timeline", function()
        local all = count(dom, "<tr data-call=")
        assert.are.equal(0, count(dom, 'hidden=""'))
        local filtered = chromium("--dump-dom", "file://" .. page .. "#filter=not+found")
        assert.are.equal(all - 1, count(filtered, 'hidden=""'))
        assert.are.equal(all - 1, count(filtered, '<g class="call off"'))
        assert.is_truthy(filtered:find(("1 of %d"):format(all), 1, true))
    end)

    it("sorts by a column", function()
        local path = support.temporary("sorted.html")
        local nonce = support.read(page):match('nonce="(%x+)"')
        local click = ('<script nonce="%s">document.querySelectorAll(".calls th")[5].click();'
            .. 'document.querySelectorAll(".calls th")[5].click()</script></body>'):format(nonce)
        support.write(path, (support.read(page):gsub("</body>", function() return click end)))
        local sorted = chromium("--dump-dom", "file://" .. path)
        assert.is_truthy(sorted:find('aria-sort="descending"', 1, true))
        local last, rows = math.huge, 0
        local body = sorted:match('<section class="calls">.-<tbody>(.-)</tbody>')
        for row in body:gmatch("<tr.-</tr>") do
            local values = {}
            for value in row:gmatch('data%-sort="([%d.e+-]+)"') do values[#values + 1] = tonumber(value) end
            assert.is_true(values[3] <= last)
            last, rows = values[3], rows + 1
        end
        assert.is_true(rows >= 10)
    end)

    it("puts the label of a step into its bar when that is long enough, else beside it", function()
        local path, steps = support.temporary("steps.html"), support.temporary("steps.lua", [[
            local steps, task = require("kmirror.steps").new(), require "task"
            for _, step in ipairs { { "at first a step of many words that takes no time", 0 }, { "long", 0.6 },
                { "WIDE WIDE WIDE WIDE WIDE", 0.1 }, { "one of many words, near the end", 0.01 }, { "x", 0 } } do
                steps:run(step[1], function() task.sleep(step[2]) return "" end)
            end]])
        assert.are.equal(0, support.run { "--sandbox", "--report", path, "run", steps }.status)
        local measure = [[<script nonce="%s">
            var found = [];
            document.querySelectorAll("svg g:not(.call)").forEach(function (g) {
                if (!g.querySelector("text.label")) return;
                var bar = g.querySelector("rect").getBBox(), label = g.querySelector("text").getBBox();
                var inside = label.x >= bar.x && label.x + label.width <= bar.x + bar.width;
                var beside = label.x >= bar.x + bar.width || label.x + label.width <= bar.x;
                var visible = label.x >= 0 && label.x + label.width <= 1000;
                found.push(!visible ? "cut" : inside ? "inside" : beside ? "beside" : "across");
            });
            document.title = found.join(" ");
        </script></body>]]
        local source = support.read(path)
        measure = measure:format(source:match('nonce="(%x+)"'))
        support.write(path, (source:gsub("</body>", function() return measure end)))
        assert.are.equal("beside inside beside beside beside",
            chromium("--dump-dom", "file://" .. path):match("<title>(.-)</title>"))
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
