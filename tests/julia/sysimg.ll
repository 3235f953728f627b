; The text of a system image as Julia 1.5 writes it: internal functions and data, and tables of 32-bit distances from the
; first of each. Without a level of position independence, as there.
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
target triple = "x86_64-pc-linux-gnu"

@0 = internal unnamed_addr constant [2 x i32] [i32 1000, i32 2000]
@1 = internal unnamed_addr constant [2 x ptr] [ptr @first_data, ptr @second_data]
@first_data = internal global ptr null
@second_data = internal global ptr null
@third_data = internal global ptr null
@jl_sysimg_fvars_offsets = constant [6 x i32] [i32 5, i32 0, i32 trunc (i64 sub (i64 ptrtoint (ptr @calls to i64), i64 ptrtoint (ptr @level to i64)) to i32), i32 trunc (i64 sub (i64 ptrtoint (ptr @"julia_#reads#1_2" to i64), i64 ptrtoint (ptr @level to i64)) to i32), i32 trunc (i64 sub (i64 ptrtoint (ptr @picks to i64), i64 ptrtoint (ptr @level to i64)) to i32), i32 trunc (i64 sub (i64 ptrtoint (ptr @level to i64), i64 ptrtoint (ptr @level to i64)) to i32)]
@jl_sysimg_gvars_offsets = constant [4 x i32] [i32 3, i32 0, i32 trunc (i64 sub (i64 ptrtoint (ptr @second_data to i64), i64 ptrtoint (ptr @first_data to i64)) to i32), i32 trunc (i64 sub (i64 ptrtoint (ptr @third_data to i64), i64 ptrtoint (ptr @first_data to i64)) to i32)]
@jl_dispatch_fvars_idxs = constant [1 x i32] [i32 -2147483648]

@jl_sysimg_fvars_base = alias i64, ptr @level
@jl_sysimg_gvars_base = alias i64, ptr @first_data

; 1 and 2: cloned for every target, because it asks about the CPU.
define internal i64 @level(i64 %x) noinline {
  %a = call i1 @julia.cpu.supports.sse4.2()
  %b = call i1 @julia.cpu.supports.avx2()
  %one = zext i1 %a to i64
  %two = select i1 %b, i64 2, i64 0
  %three = add i64 %one, %two
  %r = add i64 %three, %x
  ret i64 %r
}

define internal i64 @calls(i64 %x) noinline {
  %r = call i64 @level(i64 %x)
  %s = mul i64 %r, 100
  ret i64 %s
}

define internal i64 @"julia_#reads#1_2"(i64 %x) noinline {
  %p = load ptr, ptr @second_data
  %v = load i64, ptr %p
  %r = add i64 %v, %x
  ret i64 %r
}

define internal i64 @picks(i64 %x) noinline {
  %p = getelementptr [2 x i32], ptr @0, i64 0, i64 %x
  %v = load i32, ptr %p
  %q = getelementptr [2 x ptr], ptr @1, i64 0, i64 %x
  %w = load ptr, ptr %q
  %u = load ptr, ptr %w
  %n = load i64, ptr %u
  %m = zext i32 %v to i64
  %r = add i64 %m, %n
  ret i64 %r
}

declare i1 @julia.cpu.supports.sse4.2()
declare i1 @julia.cpu.supports.avx2()
