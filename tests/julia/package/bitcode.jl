# Turns what Julia's code generator made into a module of its own: calls of code that the base image has lead there, tables
# name functions and data, and Julia's own passes have run.


mutable struct Bitcode
    llvm::Ptr{Cvoid}
    closure::Closure
    own::Vector{Core.CodeInstance}
    "Variables with pointers that the loader fills in, and what each is for: an address, or a code instance."
    data::Vector{Pair{Ptr{Cvoid},Any}}
end

function Bitcode(closure::Closure, imported, own)
    module_ = Bitcode(closure.llvm, closure, own, Pair{Ptr{Cvoid},Any}[])
    slots = import_code(module_, imported)
    redirect(module_.llvm, slots)
    append!(module_.data, [variable => address for (variable, address) in closure.data])
    module_
end

"A variable for the address of each function that the base image has."
function import_code(module_::Bitcode, imported)
    slots = Dict{Ptr{Cvoid},Ptr{Cvoid}}()
    for code in imported
        entry = module_.closure.entries[code]
        entry[2] == 0 && continue
        fun = module_.closure.functions[entry[2]]
        slot = LLVM.AddGlobal(module_.llvm, LLVM.TypeOf(fun), "import." * LLVM.name(fun))
        LLVM.SetInitializer(slot, LLVM.ConstNull(LLVM.TypeOf(fun)))
        LLVM.SetLinkage(slot, LLVM.INTERNAL)
        slots[fun] = slot
        push!(module_.data, slot => code)
    end
    slots
end

"What names one of these functions loads its address from the slot instead."
function redirect(llvm, slots)
    builder = LLVM.CreateBuilderInContext(LLVM.GetModuleContext(llvm))
    for fun in LLVM.functions(llvm)
        LLVM.instructions(fun) do instruction
            for (i, operand) in enumerate(LLVM.operands(instruction))
                slot = get(slots, LLVM.address_of(operand), nothing)
                slot === nothing && continue
                LLVM.PositionBuilderBefore(builder, instruction)
                cell = LLVM.ConstBitCast(slot, LLVM.PointerTo(LLVM.TypeOf(operand)))
                LLVM.SetOperand(instruction, Cuint(i - 1), LLVM.BuildLoad(builder, cell, ""))
            end
        end
    end
    LLVM.DisposeBuilder(builder)
end

"What the code of each function names: variables and functions."
function names_in(fun)
    found = Set{Ptr{Cvoid}}()
    LLVM.instructions(fun) do instruction
        for operand in LLVM.operands(instruction)
            global_ = LLVM.address_of(operand)
            global_ === nothing || push!(found, global_)
        end
    end
    found
end

"The record (see `record.jl`). Methods that use a value without a name are left out, and said."
function write_record(module_::Bitcode, base)
    w = Writer(base)
    data, refused = data_nodes(w, module_)
    uses = IdDict(code => names_of(module_, code) for code in module_.own)
    keep_nameable!(module_, w, uses, refused)
    used = union(Set{Ptr{Cvoid}}(), (uses[code] for code in module_.own)...)
    module_.data = [entry for entry in module_.data if first(entry) in used]
    edges, edge_words = write_edges(w, module_)
    numbers = IdDict(code => i for (i, code) in enumerate(module_.own))
    data_numbers = Dict(first(entry) => i for (i, entry) in enumerate(module_.data))
    owner = Dict(fun => numbers[code] for code in module_.own for fun in functions_of(module_, code))
    methods = Int32[length(module_.own)]
    table = Ptr{Cvoid}[]
    for code in module_.own
        constant = isdefined(code, :rettype_const) ? nameable(w, code.rettype_const) : 0
        entry = map(number -> table_entry!(table, module_, number), module_.closure.entries[code])
        append!(methods, [reference(w, code.def), reference(w, code.def.specTypes), reference(w, code.rettype), constant, entry...])
        list!(methods, sort!([data_numbers[g] for g in uses[code] if haskey(data_numbers, g)]))
        list!(methods, sort!(unique([owner[g] for g in uses[code] if haskey(owner, g) && owner[g] != numbers[code]])))
        list!(methods, edges[code.def])
    end
    add_tables(module_, table)
    id = Base.module_build_id(Base)
    words = Int32[id % Int32; (id >> 32) % Int32; w.count; w.nodes;
                  length(module_.data); [data[first(entry)] for entry in module_.data]; edge_words; methods]
    [reinterpret(UInt8, Int32[FORMAT, length(words), length(w.text)]); reinterpret(UInt8, words); w.text]
end

list!(words, list) = append!(push!(words, length(list)), list)
nameable(w, @nospecialize(x)) = try
    reference(w, x)
catch error
    error isa Unnameable || rethrow()
    0
end

functions_of(module_, code) = [module_.closure.functions[n] for n in module_.closure.entries[code] if n > 0]
names_of(module_, code) = union(Set{Ptr{Cvoid}}(), map(names_in, functions_of(module_, code))...)

"The node of each variable's value; and for those that have none, why."
function data_nodes(w::Writer, module_::Bitcode)
    data, refused = Dict{Ptr{Cvoid},Int}(), Dict{Ptr{Cvoid},String}()
    for (variable, value) in module_.data
        try
            data[variable] = data_node(w, module_, LLVM.name(variable), value)
        catch error
            error isa Unnameable || rethrow()
            refused[variable] = error.what
        end
    end
    data, refused
end

data_node(w, module_, _, code::Core.CodeInstance) = body(w, code, module_.closure.entries[code][1] < 0)
function data_node(w, _, name, address::Ptr{Cvoid})
    # Julia's mark for the cell of a global variable.
    startswith(name, "MUL.") || return reference(w, unsafe_pointer_to_objref(address))
    # A binding begins with its name, its value, a reference to it and the module that owns it.
    words = Ptr{Ptr{Cvoid}}(address)
    symbol, owner = unsafe_pointer_to_objref(unsafe_load(words, 1)), unsafe_pointer_to_objref(unsafe_load(words, 4))
    found = ccall(:jl_get_binding, Ptr{Cvoid}, (Any, Any), owner, symbol)
    found == address || throw(Unnameable("the variable $owner.$symbol is not found by its name"))
    binding(w, owner, symbol)
end

"Leaves out code that uses what cannot be named, or calls such code."
function keep_nameable!(module_::Bitcode, w::Writer, uses, refused)
    for code in module_.own
        reason = try
            reference(w, code.def)
            reference(w, code.rettype)
            nothing
        catch error
            error isa Unnameable || rethrow()
            error.what
        end
        reason === nothing || foreach(fun -> refused[fun] = reason, functions_of(module_, code))
    end
    while true
        out = filter(module_.own) do code
            any(g -> haskey(refused, g), uses[code]) || any(f -> haskey(refused, f), functions_of(module_, code))
        end
        isempty(out) && return
        for code in out
            names = [functions_of(module_, code); collect(uses[code])]
            reason = refused[names[findfirst(g -> haskey(refused, g), names)]]
            println(stderr, "left out: $(code.def): $reason")
            foreach(fun -> refused[fun] = "calls code that is left out", functions_of(module_, code))
        end
        filter!(code -> !(code in out), module_.own)
    end
end

"For each method instance the numbers of its edges, and the edges."
function write_edges(w::Writer, module_::Bitcode)
    words, count, known = Int32[], 0, IdDict{Any,Int}()
    calls = all_calls()
    numbers = IdDict{Core.MethodInstance,Vector{Int}}()
    for code in module_.own
        numbers[code.def] = map(edges_of(code.def, calls)) do callee
            get!(known, callee) do
                append!(words, edge(w, callee))
                count += 1
            end
        end
    end
    numbers, [Int32(count); words]
end

function edge(w, callee::Core.MethodInstance)
    kind = answers_for_itself(callee) ? CALLS_BASE : CALLS
    Int32[kind, reference(w, callee.specTypes), reference(w, callee), found_by(w, callee.specTypes)...]
end
# A call that some of these types have no method for: a new method may change what it does.
edge(w, @nospecialize(types)) = Int32[MAY_FAIL, reference(w, types), 0, found_by(w, types)...]

"The methods that a call with these types may run, after their number."
function found_by(w, @nospecialize(types))
    matches = Base._methods_by_ftype(types, -1, Base.get_world_counter())
    [length(matches); [reference(w, match[3]) for match in matches]]
end

function table_entry!(table, module_, number)
    number > 0 || return number
    push!(table, module_.closure.functions[number])
    Int32(length(table))
end

"Julia's tables for images: `T_base` is the first entry's address, `T_offsets` how many there are and how far from it."
function add_tables(module_::Bitcode, functions)
    for (name, entries) in ["jl_sysimg_fvars" => functions, "jl_sysimg_gvars" => map(first, module_.data)]
        context = LLVM.GetModuleContext(module_.llvm)
        word, long = LLVM.Int32TypeInContext(context), LLVM.Int64TypeInContext(context)
        base = LLVM.ConstPtrToInt(entries[1], long)
        distances = [LLVM.ConstTrunc(LLVM.ConstSub(LLVM.ConstPtrToInt(entry, long), base), word) for entry in entries]
        pushfirst!(distances, LLVM.ConstInt(word, length(entries), Cint(0)))
        LLVM.add_array(module_.llvm, name * "_offsets", word, distances)
        LLVM.AddAlias(module_.llvm, LLVM.TypeOf(entries[1]), entries[1], name * "_base")
    end
end

function add_record(module_::Bitcode, record::Vector{UInt8})
    context = LLVM.GetModuleContext(module_.llvm)
    value = LLVM.ConstStringInContext(context, record, Cuint(length(record)), Cint(1))
    LLVM.add_constant(module_.llvm, RECORD_SYMBOL, value)
end


"Julia's passes, with its last ones as for an image: thread-local state is found through variables that the loader fills."
function optimise(module_::Bitcode)
    manager = LLVM.CreatePassManager()
    lower = Cint(0)
    ccall(:jl_add_optimization_passes, Cvoid, (Ptr{Cvoid}, Cint, Cint), manager, 2, lower)
    ccall(:LLVMExtraAddBarrierNoopPass, Cvoid, (Ptr{Cvoid},), manager)
    ccall(:LLVMExtraAddLowerExcHandlersPass, Cvoid, (Ptr{Cvoid},), manager)
    ccall(:LLVMExtraAddLateLowerGCFramePass, Cvoid, (Ptr{Cvoid},), manager)
    ccall(:LLVMExtraAddFinalLowerGCPass, Cvoid, (Ptr{Cvoid},), manager)
    LLVM.AddAggressiveDCEPass(manager)
    image = Cint(1)
    ccall(:LLVMExtraAddLowerPTLSPass, Cvoid, (Ptr{Cvoid}, Cint), manager, image)
    LLVM.AddCFGSimplificationPass(manager)
    ccall(:LLVMExtraAddCombineMulAddPass, Cvoid, (Ptr{Cvoid},), manager)
    # Not before: Julia's passes look for functions by name that nothing may have called so far.
    LLVM.AddGlobalDCEPass(manager)
    LLVM.RunPassManager(manager, module_.llvm)
    LLVM.DisposePassManager(manager)
end
