--- meant: what somebody may have meant by a name that is not known, as the end of a message.

return require("mirrors").fields.meant
