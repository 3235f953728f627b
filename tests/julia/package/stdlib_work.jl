# The work that the image of three of the standard packages is for: statements, as in `stock_work.jl`.
a = SparseArrays.sparse([1, 2, 3, 3], [1, 2, 3, 1], [1.5, 2.5, 3.5, 4.5])
b = a * a
println(b)
println(SparseArrays.nnz(b + a), " ", sum(b), " ", SparseArrays.findnz(b))
println(a \ [1.0, 2.0, 3.0])
println(Dates.format(Dates.DateTime(2020, 1, 2, 3, 4, 5), "yyyy-mm-dd HH:MM:SS"), " ", Dates.Date("2020-02-03", "yyyy-mm-dd") - Dates.Date(2019, 1, 1))
println(DelimitedFiles.readdlm(IOBuffer("1 2\n3 4\n"), ' ', Float64))
