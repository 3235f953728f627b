# What is needed of LLVM's C interface, from the LLVM that this Julia runs on.
module LLVM

using Libdl

const Ref = Ptr{Cvoid}
const LIBRARY = Libdl.dlpath("libLLVM-9")

"`@llvm Name(arguments::Types...)::Result`: a function of LLVM's, without the prefix that all have."
macro llvm(signature)
    call, result = signature.args
    name, arguments = call.args[1], call.args[2:end]
    symbol = QuoteNode(Symbol(:LLVM, name))
    names = [argument.args[1] for argument in arguments]
    types = Expr(:tuple, [argument.args[2] for argument in arguments]...)
    esc(:($name($(names...)) = ccall(($symbol, LIBRARY), $result, $types, $(names...))))
end

@llvm GetFirstFunction(m::Ref)::Ref
@llvm GetNextFunction(f::Ref)::Ref
@llvm GetFirstBasicBlock(f::Ref)::Ref
@llvm GetNextBasicBlock(b::Ref)::Ref
@llvm GetFirstInstruction(b::Ref)::Ref
@llvm GetNextInstruction(i::Ref)::Ref
@llvm GetNumOperands(v::Ref)::Cint
@llvm GetOperand(v::Ref, i::Cuint)::Ref
@llvm SetOperand(v::Ref, i::Cuint, value::Ref)::Cvoid
@llvm IsAConstantExpr(v::Ref)::Ref
@llvm IsAFunction(v::Ref)::Ref
@llvm IsAGlobalVariable(v::Ref)::Ref
@llvm IsDeclaration(v::Ref)::Cint
@llvm TypeOf(v::Ref)::Ref
@llvm PointerType(t::Ref, space::Cuint)::Ref
@llvm GetModuleContext(m::Ref)::Ref
@llvm AddGlobal(m::Ref, t::Ref, name::Cstring)::Ref
@llvm AddAlias(m::Ref, t::Ref, of::Ref, name::Cstring)::Ref
@llvm SetInitializer(g::Ref, value::Ref)::Cvoid
@llvm SetGlobalConstant(g::Ref, yes::Cint)::Cvoid
@llvm SetLinkage(g::Ref, linkage::Cint)::Cvoid
@llvm ConstNull(t::Ref)::Ref
@llvm ConstInt(t::Ref, n::Culonglong, signed::Cint)::Ref
@llvm ConstPtrToInt(v::Ref, t::Ref)::Ref
@llvm ConstSub(a::Ref, b::Ref)::Ref
@llvm ConstTrunc(v::Ref, t::Ref)::Ref
@llvm ConstBitCast(v::Ref, t::Ref)::Ref
@llvm ConstArray(t::Ref, values::Ptr{Ref}, n::Cuint)::Ref
@llvm ConstStringInContext(c::Ref, bytes::Ptr{UInt8}, n::Cuint, unterminated::Cint)::Ref
@llvm Int32TypeInContext(c::Ref)::Ref
@llvm Int64TypeInContext(c::Ref)::Ref
@llvm CreateBuilderInContext(c::Ref)::Ref
@llvm PositionBuilderBefore(b::Ref, i::Ref)::Cvoid
@llvm BuildLoad(b::Ref, from::Ref, name::Cstring)::Ref
@llvm DisposeBuilder(b::Ref)::Cvoid
@llvm CreatePassManager()::Ref
@llvm RunPassManager(p::Ref, m::Ref)::Cint
@llvm DisposePassManager(p::Ref)::Cvoid
@llvm AddGlobalDCEPass(p::Ref)::Cvoid
@llvm AddCFGSimplificationPass(p::Ref)::Cvoid
@llvm AddAggressiveDCEPass(p::Ref)::Cvoid
@llvm WriteBitcodeToFile(m::Ref, file::Cstring)::Cint

const INTERNAL = Cint(8)

PointerTo(t::Ref) = PointerType(t, Cuint(0))

name(v::Ref) = (n = Base.RefValue{Csize_t}(0);
    p = ccall((:LLVMGetValueName2, LIBRARY), Ptr{UInt8}, (Ref, Ptr{Csize_t}), v, n); unsafe_string(p, n[]))

operands(v::Ref) = [GetOperand(v, Cuint(i)) for i in 0:GetNumOperands(v)-1]

"Calls `f` with each instruction of a function."
function instructions(f, fun::Ref)
    block = GetFirstBasicBlock(fun)
    while block != C_NULL
        instruction = GetFirstInstruction(block)
        while instruction != C_NULL
            # `f` may put something before it, not after it.
            f(instruction)
            instruction = GetNextInstruction(instruction)
        end
        block = GetNextBasicBlock(block)
    end
end

"All functions with a body."
function functions(m::Ref)
    found = Ref[]
    fun = GetFirstFunction(m)
    while fun != C_NULL
        IsDeclaration(fun) == 0 && push!(found, fun)
        fun = GetNextFunction(fun)
    end
    found
end

"The function or variable that a constant is the address of, or nothing."
function address_of(v::Ref)
    while IsAConstantExpr(v) != C_NULL
        v = GetOperand(v, Cuint(0))
    end
    IsAFunction(v) != C_NULL || IsAGlobalVariable(v) != C_NULL ? v : nothing
end

"An array of constants under a name, visible outside."
function add_array(m::Ref, name::String, type::Ref, values::Vector{Ref})
    array = GC.@preserve values ConstArray(type, pointer(values), Cuint(length(values)))
    add_constant(m, name, array)
end

function add_constant(m::Ref, name::String, value::Ref)
    variable = AddGlobal(m, TypeOf(value), name)
    SetInitializer(variable, value)
    SetGlobalConstant(variable, Cint(1))
    variable
end

end
