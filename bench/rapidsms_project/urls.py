from django.urls import path
from rapidsms.backends.http.views import GenericHttpBackendView

urlpatterns = [path("in/", GenericHttpBackendView.as_view(backend_name="kannel"))]
