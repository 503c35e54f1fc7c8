"""The ground the other apps stand on: settings, ClickHouse, embedded services, the exchange simulator."""

from django.apps import AppConfig


class DataproviderConfig(AppConfig):
    name = "dataprovider"
    verbose_name = "DataProvider"
