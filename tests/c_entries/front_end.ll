; What a front end with names of its own makes: methods that C may call.
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
target triple = "x86_64-unknown-linux-gnu"

; Local, and nobody here calls it.
define internal i64 @"dot(Vector{Int64}, Vector{Int64})"(ptr noalias %a, ptr noalias %b, i64 %n) "jl.ccallable"="dot" {
entry:
  br label %loop

loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %sum = phi i64 [ 0, %entry ], [ %more, %loop ]
  %pa = getelementptr i64, ptr %a, i64 %i
  %pb = getelementptr i64, ptr %b, i64 %i
  %x = load i64, ptr %pa
  %y = load i64, ptr %pb
  %product = mul i64 %x, %y
  %more = add i64 %sum, %product
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, %n
  br i1 %done, label %end, label %loop

end:
  ret i64 %more
}

define zeroext i1 @is_small(i32 signext %x) "jl.ccallable"="is_small" {
  %small = icmp slt i32 %x, 10
  ret i1 %small
}

define { double, double } @"minmax(Float64, Float64)"(double %a, double %b) "jl.ccallable"="minmax	struct range { double low, high; } minmax(double a, double b)" {
  %less = fcmp olt double %a, %b
  %low = select i1 %less, double %a, double %b
  %high = select i1 %less, double %b, double %a
  %one = insertvalue { double, double } poison, double %low, 0
  %two = insertvalue { double, double } %one, double %high, 1
  ret { double, double } %two
}
