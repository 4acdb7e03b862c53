local csv = require("kmirror.csv")
local support = require("spec.support")

describe("csv", function()
    it("quotes what needs it, and nothing else", function()
        assert.are.equal('a,"b,c","say ""no""",1.5,true\r\n', csv.line { "a", "b,c", 'say "no"', 1.5, true })
        assert.are.equal('"two\nlines","cr\rhere"\r\n', csv.line { "two\nlines", "cr\rhere" })
    end)

    it("keeps spreadsheets from taking a text for a formula, and can be undone", function()
        local odd = { "=1+1", "+1", "-1", "@x", "\tx", "\rx", "\n=x", "'=x", "''-x", "'x", "'", "＝1", "", "a=b", "-" }
        assert.are.equal("'=cmd|'/C calc'!A0,'+1,'-x,'@x,''=x,'x,-1.5\r\n",
            csv.line { "=cmd|'/C calc'!A0", "+1", "-x", "@x", "'=x", "'x", -1.5 })
        for _, text in ipairs(odd) do
            assert.is_nil(csv.harmless(text):find("^[=+@\t\r\n-]"), text)
            assert.are.equal(text, csv.original(csv.harmless(text)))
        end
    end)

    it("is read by kmirror as it was written", function()
        local regexes = { "=x", "'=x", "-y", "@z,\"q\"", " blank ", "plain\\..*" }
        local path = support.temporary("fleet.csv", csv.line { "to", "sourceAlias", "kafkaSource", "topicsRegex" })
        local file <close> = assert(io.open(path, "ab"))
        for _, regex in ipairs(regexes) do
            file:write(csv.line { support.us_east, "a", "5a9b1c52-0000-4000-8000-000000000001", regex })
        end
        file:close()
        local result = support.run { "run", "-", path, stdin = [[
            for _, mirror in ipairs(require("kmirror.fleet").read(...).mirrors) do print(mirror.topicsRegex) end]] }
        assert.are.equal(table.concat(regexes, "\n") .. "\n", result.stdout, result.stderr)
    end)

    it("has a line of titles and a line for each row; a nil is empty", function()
        assert.are.equal("id,name\r\n1,\r\n,x\r\n", csv.rows({ "id", "name" }, { { id = 1 }, { name = "x" } }))
    end)
end)

describe("--output csv", function()
    local sandbox, ids

    setup(function()
        sandbox = support.sandbox { rate = 0, world = "small" }
        ids = {}
        for id in support.run { "list", env = sandbox:env() }.stdout:gmatch("(%S+)\t[^\n]*\n") do
            ids[#ids + 1] = id
        end
    end)

    it("is the list with titles", function()
        local result = support.run { "list", "--output", "csv", env = sandbox:env() }
        assert.are.equal("id,connectorName,topicsRegex\r", result.stdout:match("^[^\n]*"))
        assert.are.equal(#ids + 1, select(2, result.stdout:gsub("\r\n", "")))
        assert.is_truthy(result.stdout:find("\n" .. ids[1] .. ",us-west.us-east.", 1, true))
        assert.are.same(result, support.run { "--output", "csv", "list", env = sandbox:env() })
    end)

    it("is a row for each topic of some mirrors, under one line of titles", function()
        local result = support.run { "get", "--output", "csv", ids[1], ids[2], env = sandbox:env() }
        assert.are.equal(0, result.status, result.stderr)
        local lines = {}
        for line in result.stdout:gmatch("(.-)\r\n") do lines[#lines + 1] = line end
        assert.are.equal("id,status,connectorName,targetLatency,topicsRegex,mirrorStatus,checkpointStatus,topic,"
            .. "averageLatency,averageRate", lines[1])
        assert.is_truthy(#lines > 2)
        for i = 2, #lines do
            local id = lines[i]:match("^[^,]*")
            assert.is_true(id == ids[1] or id == ids[2], id)
            assert.is_truthy(lines[i]:find(",RUNNING,RUNNING,[^,]+,%d+,[%d.]+$"), lines[i])
        end
    end)

    it("is refused where there is no table, for other formats, and beside --json", function()
        for _, words in ipairs { { "version", "--output", "csv" }, { "list", "--output", "xml" },
            { "list", "--json", "--output", "csv" } } do
            words.env = sandbox:env()
            local result = support.run(words)
            assert.are.equal(2, result.status, table.concat(words, " "))
            assert.are.equal("", result.stdout)
        end
    end)
end)
