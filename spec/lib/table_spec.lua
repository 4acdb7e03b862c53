local tables = require("kmirror.table")

local columns = {
    { "ID", "id", whole = true },
    { "TOPICS", "topics" },
    { "LAG ms", function(row) return row.lag end, align = "right" },
}
local rows = {
    { id = "a-1", topics = "orders", lag = 7 },
    { id = "b-22", topics = "東京", lag = 12345 },
    { id = "c-333" },
}

local function widest(rendered)
    local most = 0
    for line in rendered:gmatch("[^\n]+") do most = math.max(most, utf8.len(line)) end
    return most
end

describe("a table for people", function()
    it("has titles, and columns that line up", function()
        assert.are.equal(table.concat({
            "ID     TOPICS  LAG ms",
            "a-1    orders       7",
            "b-22   東京     12345",
            "c-333  -            -",
            "",
        }, "\n"), tables.aligned(columns, rows))
    end)

    it("cuts nothing where no width is known", function()
        local long = ("x"):rep(500)
        assert.is_truthy(tables.aligned(columns, { { id = "a", topics = long } }):find(long, 1, true))
    end)

    it("fits the width it is given, taking from the widest column", function()
        local where = { width = 30, color = false }
        local rendered = tables.aligned(columns, { { id = "a-1", topics = ("x"):rep(80), lag = 7 } }, where)
        assert.are.equal(30, widest(rendered))
        assert.is_truthy(rendered:find("x…  ", 1, true))
        assert.is_truthy(rendered:find("     7\n", 1, true))
    end)

    it("cuts what tells the rows apart last, and a number never", function()
        local regex <const> = ("o"):rep(30)
        local key = { columns[1], { "WHERE", "where" }, { "TOPICS", "topics", key = true }, columns[3] }
        local row = { id = "a-1", where = ("w"):rep(40), topics = regex, lag = 123456789 }
        local rendered = tables.aligned(key, { row }, { width = 60 })
        assert.are.equal(60, widest(rendered))
        assert.is_truthy(rendered:find("  w+…  " .. regex .. "  123456789\n"))
        rendered = tables.aligned(key, { row }, { width = 30 })
        assert.is_truthy(rendered:find("  www…  o+…  123456789\n"))
    end)

    it("leaves out what can be spared before it cuts anything", function()
        local spare = { columns[1], columns[2], { "A", function() return "aaaaaaaa" end, spare = true },
            { "B", function() return "bbbbbbbb" end, spare = true } }
        local row = { id = "a-1", topics = ("o"):rep(30) }
        local function shown(width) return tables.aligned(spare, { row }, { width = width }):match("\n(.*)\n$") end
        assert.are.equal("a-1  " .. row.topics .. "  aaaaaaaa  bbbbbbbb", shown(55))
        assert.are.equal("a-1  " .. row.topics .. "  aaaaaaaa", shown(54))
        assert.are.equal("a-1  " .. row.topics, shown(40))
        assert.are.equal("a-1  " .. ("o"):rep(14) .. "…", shown(20))
    end)

    it("never cuts a column that is to be copied whole", function()
        local id = "5a9b1c52-0000-4000-8000-0000000000c1"
        local row = { id = id, topics = ("x"):rep(80), lag = 7 }
        local rendered = tables.aligned(columns, { row }, { width = 20 })
        assert.is_truthy(rendered:find(id, 1, true))
        assert.is_truthy(rendered:find("xxx…", 1, true))
    end)

    it("leaves no blanks at the end of a line", function()
        local rendered = tables.aligned({ columns[1], columns[2] }, rows)
        assert.is_nil(rendered:find(" \n"))
    end)

    it("does not let a cell change the terminal", function()
        local rendered = tables.aligned(columns, { { id = "a\27[2J\n", topics = "b" } })
        assert.is_nil(rendered:find("\27", 1, true))
        assert.are.equal(2, select(2, rendered:gsub("\n", "")))
    end)

    it("uses colour only where there is colour", function()
        local painted = { { "STATUS", "status", paint = tables.status_color } }
        local failed = { { status = "FAILED" } }
        local red = "\27[31mFAILED\27[0m"
        assert.is_truthy(tables.aligned(painted, failed, { color = true }):find(red, 1, true))
        assert.is_nil(tables.aligned(painted, failed, { color = false }):find("\27", 1, true))
    end)
end)

describe("a table for programs", function()
    it("has a line for each row, a tab between cells, and no titles", function()
        assert.are.equal("a-1\torders\t7\nb-22\t東京\t12345\nc-333\t\t\n", tables.tabs(columns, rows))
    end)

    it("keeps its shape whatever is in the cells", function()
        assert.are.equal("a\\tb\tc\\nd\t\n", tables.tabs(columns, { { id = "a\tb", topics = "c\nd" } }))
    end)
end)
