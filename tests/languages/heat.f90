! Heat in a plate, particles in a tree of derived types, and what Fortran has of its own: array expressions,
! allocatable and assumed-shape arrays, procedures passed as arguments, complex and character values. (An
! internal procedure that uses its host's variables would need an executable stack, which lld refuses.)
module plate
  implicit none
  integer, parameter :: dp = kind(1.0d0)
  type :: grid
    real(dp), allocatable :: cell(:, :)
    integer :: steps = 0
  end type
  type, abstract :: shape
  contains
    procedure(area_of), deferred :: area
  end type
  abstract interface
    pure function area_of(self) result(value)
      import :: shape, dp
      class(shape), intent(in) :: self
      real(dp) :: value
    end function
    pure function map(x) result(y)
      import :: dp
      real(dp), intent(in) :: x
      real(dp) :: y
    end function
  end interface
  type, extends(shape) :: disc
    real(dp) :: radius
  contains
    procedure :: area => disc_area
  end type
  type, extends(shape) :: polygon
    complex(dp), allocatable :: corner(:)
  contains
    procedure :: area => polygon_area
  end type
contains
  subroutine start(g, n)
    type(grid), intent(out) :: g
    integer, intent(in) :: n
    integer :: i, j
    allocate (g%cell(0:n + 1, 0:n + 1), source=0.0_dp)
    do concurrent (i=1:n, j=1:n)
      g%cell(i, j) = mod(7*i + 13*j, 17)*0.25_dp
    end do
  end subroutine

  subroutine step(g)
    type(grid), intent(inout) :: g
    integer :: n
    n = ubound(g%cell, 1) - 1
    g%cell(1:n, 1:n) = g%cell(1:n, 1:n) + 0.2_dp*(g%cell(0:n - 1, 1:n) + g%cell(2:n + 1, 1:n) &
      + g%cell(1:n, 0:n - 1) + g%cell(1:n, 2:n + 1) - 4.0_dp*g%cell(1:n, 1:n))
    g%steps = g%steps + 1
  end subroutine

  pure function disc_area(self) result(value)
    class(disc), intent(in) :: self
    real(dp) :: value
    value = 3.0_dp*self%radius**2
  end function

  pure function polygon_area(self) result(value)
    class(polygon), intent(in) :: self
    real(dp) :: value
    value = 0.5_dp*abs(sum(aimag(conjg(self%corner)*cshift(self%corner, 1))))
  end function

  function mapped(values, f) result(total)
    real(dp), intent(in) :: values(:)
    procedure(map) :: f
    real(dp) :: total
    integer :: i
    total = 0
    do i = 1, size(values)
      total = total + f(values(i))
    end do
  end function

  recursive function hanoi(n) result(moves)
    integer, intent(in) :: n
    integer :: moves
    moves = 1
    if (n > 1) moves = 2*hanoi(n - 1) + 1
  end function
end module

program heat
  use plate
  implicit none
  type(grid) :: g
  class(shape), allocatable :: s
  character(len=:), allocatable :: text
  integer :: i, counts(0:9)
  real :: matrix(17, 17), product(17, 17)

  call start(g, 61)
  do i = 1, 50
    call step(g)
  end do
  print '(a, i0, 3(1x, es23.16))', 'plate ', g%steps, sum(g%cell), maxval(g%cell), g%cell(7, 31)

  print '(a, es23.16)', 'mapped ', mapped(g%cell(1:61, 5), scaled)

  allocate (s, source=disc(1.5_dp))
  print '(a, es23.16)', 'disc ', s%area()
  deallocate (s)
  allocate (s, source=polygon([(0, 0), (4, 0), (4, 3), (0, 3)]*(1.0_dp, 0.0_dp)))
  print '(a, es23.16)', 'polygon ', s%area()

  matrix = reshape([(real(mod(i*i, 23)), i=1, 289)], [17, 17])
  product = matmul(matrix, transpose(matrix))
  print '(a, 2(1x, f0.1))', 'matrix ', sum(product), product(3, 15)

  counts = 0
  do i = 1, 1000
    counts(mod(i*i*31 + i, 10)) = counts(mod(i*i*31 + i, 10)) + 1
  end do
  print '(a, 10(1x, i0))', 'counts', counts
  text = repeat('abc', 5)//'-'//trim(adjustl('   end  '))
  print '(a, 1x, i0, 1x, i0)', text, index(text, '-', back=.true.), hanoi(16)
contains
  pure function scaled(x) result(y)
    real(dp), intent(in) :: x
    real(dp) :: y
    y = x*0.75_dp + sqrt(x)
  end function
end program
