# The record of a package image: what the loader needs to know about each method, and how values are found again in another
# process. Only what writer and reader share; `write.jl` and `PackageImage.jl` are the two.
#
# All numbers are 32 bits wide, little-endian; the text of names stands behind them. In this order:
#
#   header    FORMAT, number of words, number of bytes of text
#   base      the build id of Base, in two words: one state of Julia, whoever made machine code of it
#   nodes     their number; for each: kind, number of operands, operands. A node refers to earlier ones, from 1 on
#   data      for each of the image's pointers to data (`jl_sysimg_gvars`) the node that it points to
#   edges     their number; for each: kind, node of the signature, node of the callee or 0, number of methods, their nodes.
#             These methods, and no others, must be what the signature finds
#   methods   their number; for each: node of the method instance, of its types, of the return type, of the constant result or 0,
#             entries in the table of functions (ENTRY_ARGS, ENTRY_SPARAM or a number from 1 on; number from 1 on or 0);
#             then three lists, each after its length: data and methods that the code uses, from 1 on, and edges
const FORMAT = Int32(1)

# Kinds of nodes, and their operands.
const SYMBOL = Int32(1)         # text: offset, length
const STRING = Int32(2)         # text: offset, length
const ROOT = Int32(3)           # a module without a parent: name, its package's UUID or 0
const MEMBER = Int32(4)         # what a module, or a field of a constant, holds: module or constant, name
const APPLY = Int32(5)          # a type with parameters: type, parameters
const VARIABLE = Int32(6)       # of a type: name, lower and upper bound
const UNIONALL = Int32(7)       # variable, type
const UNION = Int32(8)          # types
const BITS = Int32(9)           # type, text: offset, length
const STRUCT = Int32(10)        # type, fields
const VECTOR = Int32(11)        # a SimpleVector: elements
const SINGLETON = Int32(12)     # the one instance of a type: type
const METHOD = Int32(13)        # signature, module, file, line, checksum of the file or 0, of the lowered code or 0
const INSTANCE = Int32(14)      # method, types, static parameters
const BINDING = Int32(15)       # the cell of a global variable: module, name
const BODY = Int32(16)          # code that is elsewhere: method instance, return type, 1 if it takes an array of arguments
const LITERAL = Int32(17)       # an object that is part of a method's code: method, which of its roots, type
const EXPRESSION = Int32(18)    # an Expr: head, arguments
const TYPE_NAME = Int32(19)     # what types with the same name share: one of them

# Kinds of edges.
const CALLS = Int32(1)          # what it goes by in turn is among the edges
const CALLS_BASE = Int32(2)     # code of the base image, which goes by what it went by as long as Julia has not ended it
const MAY_FAIL = Int32(3)       # a call that some of the types have no method for

const ENTRY_ARGS = Int32(-1)
const ENTRY_SPARAM = Int32(-2)

# The exported symbol.
const RECORD_SYMBOL = "jl_package_record"
