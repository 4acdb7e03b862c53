local order = require("kmirror.order")

describe("order", function()
    it("compares tables by the first field that differs; what has none comes first", function()
        local rows = { { a = 2, b = "x" }, { a = 1, b = "z" }, { a = 1, b = "y" }, { b = "w" } }
        table.sort(rows, order.by("a", "b"))
        assert.are.same({ { b = "w" }, { a = 1, b = "y" }, { a = 1, b = "z" }, { a = 2, b = "x" } }, rows)
        assert.is_false(order.by("a")({ a = 1 }, { a = 1 }))
        assert.is_false(order.by("a")({ a = 1 }, {}))
    end)

    it("has the keys of a table, sorted", function()
        assert.are.same({ "a", "b", "c" }, order.keys({ c = 1, a = 2, b = false }))
        assert.are.same({}, order.keys({}))
    end)
end)
